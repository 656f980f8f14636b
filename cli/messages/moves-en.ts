/** What the commands on moves of accounts say, in English: part of `en.ts`. */
export const movesEn = {
  moveNeedsTarget: 'account move needs --to SHARD: one of {shards}',
  moveThere: 'Account {address} is at {shard} already.',
  moveDone: 'Account {address} has moved to {shard}; writes waited {ms}.',
  moveGoesOn: 'Account {address} is on its way to {shard} and goes on by itself; look with: twinpost account moves',
  moveCancelled: 'The move of {address} is cancelled: the account stays at {shard}.',
  moveNone: 'There is no move of {address} that could be cancelled.',
  movesNone: 'No account is moving.',
  headAccount: 'ACCOUNT',
  headMove: 'FROM > TO',
  headPhase: 'PHASE',
  headLetters: 'LETTERS',
  headCopied: 'COPIED',
  headFreeze: 'WAITED',
} as const
