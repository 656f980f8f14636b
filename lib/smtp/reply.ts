/** Replies of SMTP (RFC 5321 section 4.2) with enhanced status codes (RFC 2034): those that the protocol itself gives. */

export interface Reply {
  readonly code: number
  /** One line of ASCII; begins with the enhanced status code where the reply has one. */
  readonly text: string
}

export const reply = (code: number, text: string): Reply => ({ code, text })

/** Ends the connection behind it (RFC 5321 section 3.8). */
export const CLOSING_CODE = 421

export const PROTOCOL_REPLIES = {
  bye: reply(221, '2.0.0 Bye'),
  help: reply(214, '2.0.0 Commands: RFC 5321 and what EHLO announces'),
  ok: reply(250, '2.0.0 OK'),
  reset: reply(250, '2.0.0 Flushed'),
  senderOk: reply(250, '2.1.0 Accepted'),
  recipientOk: reply(250, '2.1.5 Accepted'),
  chunkOk: reply(250, '2.0.0 Chunk received'),
  cannotVerify: reply(252, '2.5.0 Not verified: send a letter and see'),
  startTls: reply(220, '2.0.0 Ready to start TLS'),
  sendLetter: reply(354, 'End data with <CR><LF>.<CR><LF>'),
  loginOk: reply(235, '2.7.0 Authentication succeeded'),

  tooManyErrors: reply(CLOSING_CODE, '4.7.0 Too many wrong commands, closing'),
  tooManyBeforeLogin: reply(CLOSING_CODE, '4.7.0 Too many commands before AUTH, closing'),
  lineEndless: reply(CLOSING_CODE, '4.7.0 Line too long, closing'),
  notHttp: reply(CLOSING_CODE, '4.7.0 This is not a web server, closing'),

  unknown: reply(500, '5.5.1 Command not recognised'),
  lineTooLong: reply(500, '5.5.2 Line too long'),
  lineEnds: reply(500, '5.5.2 A command is one line of text that ends with CR LF'),
  lmtpOnly: reply(500, '5.5.1 This is LMTP: send LHLO'),
  syntax: reply(501, '5.5.4 Syntax error in the parameters'),
  nameMissing: reply(501, '5.5.4 Say your name: one word behind the command'),
  parameterSyntax: reply(501, '5.5.4 Syntax error in an extension parameter'),
  senderSyntax: reply(501, '5.1.7 Bad sender address syntax'),
  recipientSyntax: reply(501, '5.1.3 Bad recipient address syntax'),
  notImplemented: reply(502, '5.5.1 Command not implemented'),
  helloFirst: reply(503, '5.5.1 Send HELO or EHLO first'),
  lhloFirst: reply(503, '5.5.1 Send LHLO first'),
  nestedMail: reply(503, '5.5.1 A transaction is open: end it or send RSET'),
  mailFirst: reply(503, '5.5.1 Send MAIL first'),
  recipientFirst: reply(503, '5.5.1 No recipient was accepted'),
  chunksOnly: reply(503, '5.5.1 Go on with BDAT or send RSET'),
  chunkFailed: reply(503, '5.5.1 A former BDAT failed: send RSET'),
  unknownParameter: reply(555, '5.5.4 Parameter not recognised or not implemented'), // RFC 5321 section 4.1.1.11
  tooManyRecipients: reply(452, '4.5.3 Too many recipients'),
  tooLarge: reply(552, '5.3.4 The letter is too large'),

  tlsActive: reply(503, '5.5.1 TLS is active already'),
  tlsForLogin: reply(538, '5.7.0 Send STARTTLS first'),
  loginFirst: reply(530, '5.7.0 Authentication required'),
  loggedIn: reply(503, '5.5.1 You are authenticated already'),
  mechanism: reply(504, '5.5.4 This authentication mechanism is not offered'),
  saslSyntax: reply(501, '5.5.2 This is no answer of the mechanism'),
  saslCancelled: reply(501, '5.7.0 Authentication cancelled'),
} as const satisfies Record<string, Reply>

/** One line of the wire. */
export function encodeReply({ code, text }: Reply): string {
  return `${code} ${text}\r\n`
}

/** A reply of several lines (RFC 5321 section 4.2.1); @param lines at least one. */
export function encodeReplyLines(code: number, lines: readonly string[]): string {
  return lines.map((line, i) => `${code}${i === lines.length - 1 ? ' ' : '-'}${line}\r\n`).join('')
}
