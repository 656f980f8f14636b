/**
 * Mutual exclusion on a replica directory: two processes can reach one volume, and two that write one log destroy it. The
 * real lock is `sqlite-lock.ts`.
 */
export interface ReplicaLock {
  /**
   * Takes the lock at `path` for the life of this process, without waiting. The operating system gives it back when the
   * process ends, however it ends.
   * @throws {ReplicaError} REPLICA_LOCKED
   */
  take(path: string): Promise<HeldLock>
}

export interface HeldLock {
  release(): Promise<void>
}
