/** Something that can be measured: where it listens and who may log in. Twinpost and the peers are both one. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

export interface Account {
  readonly address: string
  readonly password: string
}

export interface Target {
  readonly name: 'twinpost' | 'peers'
  readonly smtp: Endpoint
  /** Implicit TLS. */
  readonly imaps: Endpoint
  /** Certificate authority, PEM. */
  readonly ca: Buffer
  /** MAILBOX_COUNT accounts used by nothing else. */
  readonly accounts: readonly Account[]
  /** Processes whose memory counts, by what they do. */
  processes(): Promise<ReadonlyMap<string, readonly number[]>>
}
