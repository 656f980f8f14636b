/** What the command line says, in English. `{name}` is filled in. Every other language has exactly these keys. */
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
  account list              list accounts
  account passwd ADDRESS    set a new password; ends the account's sessions
  account delete ADDRESS    delete an account and its mail
  domain list               list mail domains
  queue list                letters that have not left yet, and why
  queue show LETTER         one of them (as n1/0:1234)
  queue hold [LETTER]       keep it, or what --to, --from, --state choose, until it is released
  queue release [LETTER]    end that
  queue retry [LETTER]      try now
  queue drop [LETTER]       remove it; nobody is told
  fsck SHARD                check the log of a shard (as n1/0) and prove its index equal to it

Options:
  -o, --output FORMAT       table or json (status, lists, switchover, fence, unfence)
  -f, --follow              keep printing new lines (logs)
  -n, --lines N             number of lines (logs, queue list; 40)
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
      --to ADDRESS          recipient, or domain of recipients (queue)
      --from ADDRESS        author (queue)
      --state STATE         waiting, attempting or held (queue)
      --timeout SECONDS     longest wait for the array (up; 120)
      --lang LANGUAGE       en or zh-CN; LANG says it otherwise
  -h, --help                this text

The data of an array is in .twinpost of this checkout, or in the folder that TWINPOST_ROOT names.
Exit codes: 0 done, 1 failed, 2 the command was not understood, 3 the array does not run.`,
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
  none: '-',
  yes: 'yes',
  no: 'no',
  stateStarting: 'starting',
  stateRunning: 'running',
  stateWaiting: 'waiting',
  stateStopped: 'stopped',
} as const

export type MessageKey = keyof typeof en
