/** What the command line says, in English. `{name}` is filled in. Every other language has exactly these keys. */
import { movesEn } from './moves-en.ts'
import { provisionEn } from './provision-en.ts'

export const en = {
  usage: `twinpost <command> [options]

Commands:
  up                        start the array, send a letter, kill a primary, read it from the other member
  down                      stop the array; mail and accounts stay
  clean                     stop the array and remove all of its data
  status                    shards, what is going on with each and why, and every process
  stop MEMBER               stop one member (n1-0) until it is started; its shards are handed over first
  start MEMBER              let it run again
  switchover SHARD          make the mirror of a shard its primary; no client waits longer than a second
  fence MEMBER              keep a member (n1-0), or one replica (n1/0@1), from being primary
  unfence MEMBER            end that
  promote SHARD             --force: recover from a member that is not in sync; may lose mail
  ledger restore SHARD      make a lost ledger anew, from what both members have noted
  logs [NAME]               last lines of the logs; NAME as n1-0, n1-0/edge, operator
  account add ADDRESS       create an account
  account list              list accounts: --domain, --home, --status, --match
  account show ADDRESS      one of them, with its aliases and groups
  account passwd ADDRESS    set a new password; ends the account's sessions
  account suspend ADDRESS   nobody logs in and no mail comes in until: account resume ADDRESS
  account quota ADDRESS N   most bytes of mail: 500M, 2G or none
  account name ADDRESS      another display name: --name
  account rename ADDRESS NEW
                            another address; the old one stays as an alias, unless --no-alias
  account delete ADDRESS    hide an account for --grace days (30), then delete it with its mail; --now: at once
  account undelete ADDRESS  bring it back
  account app-password add|remove ADDRESS NAME
                            a password for one program: --scope
  node drain NODE           all accounts of a MailNode go to the others: --dry-run, --jobs
  rebalance                 what would even out the shards; --apply: do it
  account move ADDRESS      to another shard, while it is used: --to; also: account move-cancel
  account moves             accounts on their way, and those that have arrived
  account import FILE       accounts from CSV or LDIF: --dry-run, --jobs
  alias add ADDRESS ALIAS   another address of an account; also: alias remove, alias list
  group add ADDRESS [MEMBER...]
                            an address whose mail goes to its members; --senders
  group join|leave ADDRESS MEMBER...
                            who gets its mail; also: group list, show, set, delete, import FILE
  mail import ADDRESS       letters from elsewhere: --from; started again, it goes on where it was ended
  mail import-many FILE     the same for many accounts; CSV with address, from, password
  mail export ADDRESS       everything of an account, as --format maildir, mbox or zip; --to PATH
  audit                     who did what, and who logged in: --since, --match, -f
  domain list               list mail domains
  domain dns [NAME]         the DNS records that a domain needs, and which are there now; --format zone: for a zone file
  filter show WHO           what an account or a domain wishes of the mail filter
  filter set WHO            change it: --level, --allow, --deny, --forget
  explain MESSAGE-ID        what was decided about a letter and why; in whose mailboxes, if --to says so
  quarantine list           letters that the filter keeps back, the newest first
  quarantine show LETTER    one of them (as n1/0:12): header, words, links; nothing of it acts
  quarantine release LETTER give it to the one it was for
  quarantine delete [LETTER]
                            it, or what --to, --from choose, is gone
  queue list                letters that have not left yet, and why
  queue show LETTER         one of them (as n1/0:1234)
  queue hold [LETTER]       keep it, or what --to, --from, --state choose, until it is released
  queue release [LETTER]    end that
  queue retry [LETTER]      try now
  queue drop [LETTER]       remove it; nobody is told
  fsck SHARD                check the log of a shard (as n1/0) and prove its index equal to it
  backup list [SHARD] --archive FOLDER
                            what a backup holds, and how far back it goes
  backup verify [SHARD] --archive FOLDER [--secret FILE] [--until TIME]
                            prove every record of it
  backup account ADDRESS --archive FOLDER [--secret FILE] [--until TIME] [--name FOLDER]
                            put the mail that it had then into a folder of the account
  backup restore SHARD --member 0|1 --archive FOLDER [--secret FILE] [--until TIME]
                            fill the volume of a stopped member from it

Options:
  -o, --output FORMAT       table or json (status, lists, switchover, fence, unfence)
  -f, --follow              keep printing new lines (logs)
  -n, --lines N             number of lines (logs, queue and quarantine list; 40)
      --password TEXT       password (account add, passwd); asked for, or read from standard input, without it
      --name TEXT           display name (account add)
      --quota BYTES         quota in bytes (account add); that of the domain without it
      --home SHARD          home shard (account add); the one with the least load without it
      --deploy FOLDER       folder of the resources to run (up)
      --no-show             do not kill a primary for show (up)
      --force               recovery by force (promote); also if shards are not served then (stop)
      --member N            member to become primary, 0 or 1 (promote)
      --i-confirm-stopped MEMBER
                            the other member, stopped for good (promote)
      --to ADDRESS          recipient, or domain of recipients (queue, quarantine, explain)
      --from ADDRESS        sender of the envelope (queue, quarantine); imaps://user@host, maildir:FOLDER, mbox:FILE (mail import)
      --level LEVEL         off, low, standard, strict, or default: as the domain, the system says (filter set)
      --allow SENDER        address or domain whose letters come in if it is proved (filter set); no virus does
      --deny SENDER         address or domain whose letters go to Junk (filter set)
      --forget SENDER       take it out of both lists (filter set)
      --state STATE         waiting, attempting or held (queue)
      --domain NAME         only accounts or groups of this domain (account list, group list)
      --status STATUS       creating, active, suspended or deleting (account list)
      --match TEXT          part of an address or name (account list), of a record (audit)
      --grace DAYS          how long a deleted account can be brought back (account delete; 30)
      --now                 for good, at once (account delete)
      --no-alias            the old address reaches nobody any more (account rename)
      --reason TEXT         why; goes into the audit trail (account suspend)
      --senders WHO         who may write to a group: anyone, internal (logged in), members (group add, set)
      --scope PROTOCOL      imap, pop3, smtp or sieve; all without it (account app-password)
      --since TIME          30m, 2h, 7d or a date (audit; 1d)
      --dry-run             only say what would be done (account import, node drain)
      --apply               carry the plan out (rebalance)
      --jobs N              how many at once (account import; 8)
      --format FORMAT       maildir, mbox or zip (mail export)
      --timeout SECONDS     longest wait for the array (up; 120)
      --lang LANGUAGE       en or zh-CN; LANG says it otherwise
  -h, --help                this text

The data of an array is in .twinpost of this checkout, or in the folder that TWINPOST_ROOT names.
Exit codes: 0 done, 1 failed, 2 the command was not understood, 3 the array does not run.`,
  ...movesEn,
  ...provisionEn,
  unknownCommand: 'unknown command: {command}. See twinpost --help',
  unknownOption: 'cannot use the command line: {problem}. See twinpost --help',
  missingArgument: '{command} needs {what}. See twinpost --help',
  tooManyArguments: '{command} does not take {argument}. See twinpost --help',
  notRunning: 'The array does not run. Start it with: make up',
  alreadyRunning: 'The array runs already.',
  starting: 'Starting the array ...',
  waitingFor: 'still waiting for {what}',
  startFailed: 'The array did not start.',
  startTimeout: 'The array was not ready after {seconds} s. It waits for:',
  operatorEnded: 'The operator ended. Last lines of {file}:',
  ready: 'Ready after {seconds} s.',
  letterSent: 'Sent a letter over SMTP (STARTTLS) to {address}: {reply}',
  letterImap: 'Read it back over IMAP (TLS): UID {uid}, {bytes} bytes, as sent',
  letterPop3: 'Read it back over POP3 (TLS): message {number}, {bytes} bytes, as sent',
  letterOutside: 'Sent a letter from {from} to {to} through the queue: {bytes} bytes came out unchanged after {ms} ms',
  poolEngines: 'Filter pool {name} shows each letter to: {engines}',
  poolAway: 'Not asked, because nobody answers there: {engines}',
  letterVirus: 'Sent a letter with a test virus (EICAR, in a zip) to {to}, refused: {reply}',
  letterQuarantined:
    'Sent a letter with a test virus (EICAR, in a zip) to {to}: it is in quarantine as {letter}, because of {reason}',
  letterFailed: 'The array runs, but the test letter failed at {step}: {problem}',
  certificateNote: 'Certificates are signed by {ca}',
  nextSteps: 'Look around: ./twinpost status, ./twinpost logs -f. Stop: make down.',
  stopping: 'Stopping the array ...',
  stopped: 'The array is stopped. Its data stays in {folder}.',
  wasNotRunning: 'The array did not run.',
  leftovers: 'Ended what a killed operator had left: {names}',
  stopFailed: 'The array did not stop in {seconds} s. See {file}',
  cleaned: 'Removed {folder}.',
  noLogs: 'No log matches {name}. There are: {names}',
  accountCreated: 'Account {address} is there; its mail is on {home}.',
  accountPassword: 'Account {address} has a new password.',
  accountDeleted: 'Account {address} is deleted.',
  accountUnknown: 'There is no account {address}.',
  accountRefused: 'Cannot do that with {address}: {problem}',
  addressInvalid: '{address} is not a mail address: name@domain is wanted',
  domainUnknown: 'There is no mail domain {domain} here, so {address} cannot be made.',
  passwordPrompt: 'Password for {address}: ',
  passwordEmpty: 'The password is empty.',
  shardUnknown: 'There is no shard {shard}. There are: {names}',
  shardSilent: '{shard} on member {member} does not answer: {problem}',
  failed: 'Failed: {problem}',
  between: '; ',
  noPrimary: 'nobody is primary',
  twoCopies: 'both copies in sync',
  oneCopy: 'one copy: {why}',
  mirrorLag: '{member} is {phase}, {lag} behind',
  memberSilent: '{member} does not answer',
  ledgerAway: 'the ledger is away: nobody can join or leave',
  ledgerLost: 'LedgerLost: the ledger is gone or went back, an administrator must look',
  fencedMembers: 'fenced: {members}',
  headWords: 'WHAT IS GOING ON',
  memberUnknown: 'There is no member {name}. Members are: {names}; one replica is named as {example}',
  switchoverDone: '{shard}: {member} is primary after {ms} ms, {former} mirrors it.',
  switchoverUnseen:
    '{shard} was handed over, but the other member did not serve within {seconds} s. See twinpost status',
  switchoverNoPrimary: '{shard} has no primary that could hand over. {words}',
  switchoverFenced: 'Cannot hand over {shard}: {member} is fenced. End that first: twinpost unfence {member}',
  memberUnknownName: 'There is no member {name}. Members are: {names}',
  memberStopped: '{member} is stopped, and stays so until: twinpost start {member}',
  memberStarted: '{member} may run again.',
  stopLeavesNone:
    'Nothing was done: without {member} nobody could serve {shards}, because the other member is not in sync. Stop it all the same with --force',
  stopFailedMember: 'The operator did not do that with {member}. See twinpost logs operator',
  memberIsStopped: '{member} was stopped by an administrator. Start it: twinpost start {member}',
  fenceBoth:
    '{member} is not fenced for {shard}: {other} is fenced already, and nobody would serve. End that first: twinpost unfence {other}',
  promoteTarget:
    '{shard} on {member}: the log ends with record {lsn}, commit is known up to {commit}. It says: {phase}',
  promoteLoses:
    'Promoting it by force may lose everything that {other} acknowledged after record {lsn}: mail, flags and moves; and expunged mail comes back.',
  promoteLosesNothing:
    'The ledger calls {member} in sync: promoting it by force loses nothing that was acknowledged, if its disk kept its word.',
  promoteWithoutForce:
    'promote makes a member primary that may lack acknowledged mail. Hand over with: twinpost switchover {shard}. Only if the other member is lost for good: twinpost promote --force {shard} --member N',
  promoteUnconfirmed:
    'Nothing was done. Stop {other} (twinpost stop {other} --force) and try again. Or, if it is lost and stays stopped, type its name: twinpost promote --force {shard} --member {member} --i-confirm-stopped {other}',
  promoteOtherLives:
    '{other} answers, so it is not stopped. Nothing was done. Hand over with: twinpost switchover {shard}. Or stop it: twinpost stop {other} --force',
  backupRestored:
    'Next: start {pod} alone and run ./twinpost promote --force {shard} --member {member}. Until then it serves nothing.',
  promoteUnseen: '{member} is named primary of {shard} and did not serve within {seconds} s. See twinpost status',
  showWait: '{shard} on {member} and {other}: both copies in sync',
  showKilled: "Killed {process} (kill -9, pid {pid}), the primary of the letter's shard",
  showKilledAgain:
    "Killed {process} (kill -9), the primary of the letter's shard, and each restart of it ({count}) until {other} had taken over",
  showRead: '{seconds} s later: read the letter from {member} over IMAP, UID {uid}, {bytes} bytes, as sent',
  showBack: '{seconds} s later: {member} is back, both copies in sync again',
  showFailed: 'The array runs, but the show failed: {problem}',
  showNotInSync: '{shard} has not two copies in sync after {seconds} s: {words}',
  showNotRead: 'the letter could not be read from the other member within {seconds} s: {problem}',
  queueEmpty: 'Nothing waits in the queues.',
  queueMore: 'These are the first {count}; more with --lines N.',
  queueUnknown: 'There is no letter {name} in the queues. See twinpost queue list',
  queueState: 'There is no state {state}: waiting, attempting or held is wanted',
  queueLetter: 'Letter {name} from {from}, {size}, {age} old, given up in {left}, trace {trace}',
  queueChanged: 'Changed {count} recipients.',
  queueHeld: 'held until it is released; {reply}',
  queueAttempting: 'being sent now (try {attempt})',
  queueScheduled: 'to be sent in {time}',
  queueDeferred: 'tried {attempts} times, again in {time}; {reply}',
  queueOverdue: 'due for {time}: its destination cannot be reached, or no sender works. See twinpost status',
  queueDue: 'about to be sent',
  queueNoReply: 'no server has said anything',
  quarantineEmpty: 'Nothing is in quarantine.',
  quarantineUnknown: 'There is no letter {name} in quarantine. See twinpost quarantine list',
  quarantineRefused: '{shard} did not do that: {problem}',
  quarantineChanged: '{count} letters left the quarantine.',
  quarantineLink: 'Link "{text}" leads to {href}',
  quarantineAttachment: 'Attachment {name}, {type}, {size}',
  explainStored: 'To {to}, from {from}: in {mailbox} on {shard}',
  explainAction: '{action} at level {level}, spam {spam}',
  explainReason: 'because of {reason}',
  explainAuthentication: 'authentication: {results}',
  explainEngine: '{engine}: {findings}',
  explainUnfiltered: 'no filter has seen it',
  explainLogged: 'Letter {trace} from {from} to {to} was answered: {result}',
  explainLoggedReasons: 'Letter {trace} to {to}: {action}, because of {reasons}',
  explainUnknown:
    'Nothing is known of {name} in quarantine and in the logs of the edges here. Name a recipient to look into mailboxes: --to ADDRESS',
  explainNotAll: '{to}: it is not among the newest {count} letters; older ones were not looked at',
  filterMistake: '{what} is no level, address or domain. See twinpost --help',
  filterTooMany: 'A list holds at most {count} entries. Take some out with --forget',
  filterNoDomain: 'There is no account and no mail domain {domain}.',
  filterRest: 'The nearer one holds; what nobody says here, spec.edge.filter of the MailNode says.',
  seconds: '{count} s',
  minutes: '{count} min',
  hours: '{count} h',
  days: '{count} d',
  headLetter: 'LETTER',
  headFrom: 'FROM',
  headTo: 'TO',
  headAge: 'AGE',
  headShard: 'SHARD',
  headEpoch: 'EPOCH',
  headPrimary: 'PRIMARY',
  headMirror: 'MIRROR',
  headInSync: 'IN SYNC',
  headSessions: 'SESSIONS',
  headProcess: 'PROCESS',
  headType: 'TYPE',
  headValue: 'VALUE',
  dnsThere: 'there',
  dnsMissing: 'missing',
  dnsOther: 'other: {found}',
  dnsNoAnswer: 'no answer',
  dnsNoAddress: '{host} has no address',
  dnsReverse: '{host} has the address {address}; a name that leads back: {state}',
  dnsUnknown: 'There is no domain {domain} with records. See twinpost domain list',
  dnsPolicy: 'To be served at https://mta-sts.{domain}/.well-known/mta-sts.txt:',
  headState: 'STATE',
  headPid: 'PID',
  headRestarts: 'RESTARTS',
  headUptime: 'UPTIME',
  headMemory: 'MEMORY',
  headService: 'SERVICE',
  headAddress: 'ADDRESS',
  headPassword: 'PASSWORD',
  headHome: 'HOME',
  headName: 'NAME',
  headStatus: 'STATUS',
  headQuota: 'QUOTA',
  headDomain: 'DOMAIN',
  headActive: 'ACTIVE',
  headCatchAll: 'CATCH-ALL',
  headPostmaster: 'POSTMASTER',
  headSubject: 'SUBJECT',
  headReason: 'WHY',
  headWho: 'WHO',
  headLevel: 'LEVEL',
  headAllow: 'ALLOWED',
  headDeny: 'DENIED',
  none: '-',
  yes: 'yes',
  no: 'no',
  stateStarting: 'starting',
  stateRunning: 'running',
  stateWaiting: 'waiting',
  stateStopped: 'stopped',
} as const

export type MessageKey = keyof typeof en
