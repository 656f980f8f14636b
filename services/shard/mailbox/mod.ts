/**
 * The mailbox room as the shard's process sees it. `MailStore` is the heart; it implements the ports of `lib/imap/store.ts`
 * and `lib/pop3/store.ts` and stands behind the frames of `lib/frames/shard-protocol.ts`.
 *
 *   const index = await openIndex({ log, ... })            // ../index/mod.ts
 *   const store = new MailStore({ log, index, clock, random, onFailure })
 *
 *   store.checkRecipients(queries): RecipientVerdict[]                          recipientsCheck
 *   store.deliver(begin, bodyPieces): Promise<DeliveryOutcome[]>                deliverBegin with complete = true
 *   store.beginDelivery(begin): DeliveryStream                                  deliverBegin ... deliverData ... deliverEnd
 *     stream.write(chunk): Promise<void> | undefined    wait for it before reading more
 *     stream.finish(): Promise<DeliveryOutcome[]>
 *     stream.abort(): void
 *   store.runAccountCommand(command): Promise<AccountResult>                    accountCommand
 *   store.accountState(account): 'active' | 'suspended' | 'unknown'             sessionOpen
 *   store.registerSession(account, protocol, end): () => void                   every session; returns its release
 *   store.openImapAccount(account): ImapAccount
 *   store.openMaildrop(account): Promise<Maildrop>
 *   store.endSessions(account, reason): number                                  sessionsEnd
 *   store.queue: OutgoingQueue                                                  queueTake, queueResult, ... (../queue/README.md)
 *   store.counts(): StoreCounts                                                 statusQuery, metrics
 *   store.depose(reason): void                                                 another member became primary
 *   store.close(reason): Promise<void>                                          shutdown: then close index and log
 */
export type { CommitSource } from './commit-pipeline.ts'
export type { DeliveryRequest, DeliveryStream } from './delivery.ts'
export { MAILBOX_LIMITS, type MailboxLimits } from './limits.ts'
export { MailStore, type MailStoreOptions, type SessionUser, type StoreCounts } from './mail-store.ts'
export type { EndSession } from './session-registry.ts'
