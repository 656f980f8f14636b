/** What the commands on moves of accounts say, in Chinese: part of `zh-cn.ts`. */
import type { movesEn } from './moves-en.ts'

export const movesZhCn: Readonly<Record<keyof typeof movesEn, string>> = {
  moveNeedsTarget: 'account move 需要 --to 分片：{shards} 之一',
  moveThere: '账户 {address} 已经在 {shard}。',
  moveDone: '账户 {address} 已迁移到 {shard}；写操作等待了 {ms}。',
  moveGoesOn: '账户 {address} 正在迁往 {shard}，会自行继续；查看：twinpost account moves',
  moveCancelled: '已取消 {address} 的迁移：账户留在 {shard}。',
  moveNone: '{address} 没有可以取消的迁移。',
  movesNone: '没有正在迁移的账户。',
  nodeUnknown: '没有 MailNode {node}：{nodes}',
  drainNowhere: '{node} 的账户无处可去：没有其他 MailNode。',
  planNothing: '没有账户需要迁移。',
  planProgress: '已迁移 {done} / {all}，失败 {failed}，约剩 {seconds} 秒',
  planInterrupted: '不再开始新的迁移；{count} 个账户留在原处。正在进行的会继续。',
  headAccounts: '账户数',
  headBytes: '字节',
  headAccount: '账户',
  headMove: '从 > 到',
  headPhase: '阶段',
  headLetters: '邮件',
  headCopied: '已复制',
  headFreeze: '等待',
}
