/** Where a session's bytes go: the same shape as the output of an IMAP session's host, so that a shard writes one adapter. */
export interface OutputSink {
  /**
   * Takes bytes for the client, in order. They are not copied and the engine never changes them afterwards.
   * @returns False when enough is waiting: the engine then awaits `drained()` before it writes more.
   */
  write(bytes: Uint8Array): boolean
  /** Resolves when more may be written, and also when the connection is gone (the host then calls `end`). Never rejects. */
  drained(): Promise<void>
}
