/** What the command line says, in Chinese (zh-CN). Same keys as en.ts. */
import type { MessageKey } from './en.ts'
import { movesZhCn } from './moves-zh-cn.ts'
import { provisionZhCn } from './provision-zh-cn.ts'

export const zhCn: Readonly<Record<MessageKey, string>> = {
  usage: `twinpost <命令> [选项]

命令：
  up                        启动阵列，发一封信，终止一个主副本，再从另一成员读回
  down                      停止阵列；邮件和账户保留
  clean                     停止阵列并删除其全部数据
  status                    各分片的状况与原因，以及所有进程
  stop 成员                 停止一个成员（n1-0），直到再次启动；它的分片先行移交
  start 成员                让该成员重新运行
  switchover 分片           让镜像成为主副本；客户端等待不超过一秒
  fence 成员                不让某成员（n1-0）或某副本（n1/0@1）成为主副本
  unfence 成员              解除隔离
  promote 分片              配合 --force：从不同步的成员恢复；可能丢失邮件
  ledger restore 分片       依据两个成员的记录，重建丢失的账本
  logs [名称]               日志的最后几行；名称如 n1-0、n1-0/edge、operator
  account add 地址          新建账户
  account list              列出账户： --domain、 --home、 --status、 --match
  account show 地址         查看一个账户，含别名和群组
  account passwd 地址       设置新密码；该账户的会话随即结束
  account suspend 地址      停止登录和收信，直到 account resume 地址
  account quota 地址 N      邮件总量上限：500M、2G 或 none
  account name 地址         更改显示名： --name
  account rename 地址 新地址
                            更改地址；旧地址保留为别名，除非 --no-alias
  account delete 地址       隐藏账户 --grace 天（30），然后连同邮件删除； --now：立即删除
  account undelete 地址     恢复
  account app-password add|remove 地址 名称
                            供单个程序使用的密码： --scope
  node drain 节点           把一个 MailNode 的所有账户迁往其他节点： --dry-run, --jobs
  rebalance                 怎样让各分片均衡； --apply：执行
  account move 地址         使用中迁往另一个分片： --to；另有 account move-cancel
  account moves             正在迁移的账户，以及刚到达的
  account import 文件       从 CSV 或 LDIF 建立账户： --dry-run, --jobs
  alias add 地址 别名       账户的另一地址；另有 alias remove、alias list
  group add 地址 [成员...]
                            来信转给各成员的地址； --senders
  group join|leave 地址 成员...
                            增减成员；另有 group list、show、set、delete、import 文件
  mail import 地址          从别处导入邮件： --from；重新开始即从中断处继续
  mail import-many 文件     同上，多个账户；CSV，含 address、from、password
  mail export 地址          导出账户的全部邮件： --format maildir、mbox 或 zip； --to 路径
  audit                     谁做了什么、谁登录过： --since, --match, -f
  domain list               列出邮件域
  domain dns [NAME]         域所需的 DNS 记录，以及哪些已经存在； --format zone：区域文件格式
  filter show 对象          某账户或域对邮件过滤的要求
  filter set 对象           用 --level, --allow, --deny, --forget 更改
  explain 信件标识          对一封信的决定及原因；可用 --to 指定在谁的信箱里找
  quarantine list           被过滤器扣下的信，新的在前
  quarantine show 信        查看其中一封（如 n1/0:12）：信头、文字、链接；其内容不会起作用
  quarantine release 信     交给收件人
  quarantine delete [信]    删除该信，或由 --to, --from 选中的信
  queue list                列出尚未发出的信及原因
  queue show 信             查看其中一封（如 n1/0:1234）
  queue hold [信]           扣留该信，或由 --to, --from, --state 选中的信，直到放行
  queue release [信]        放行
  queue retry [信]          立即重试
  queue drop [信]           删除，不通知任何人
  fsck 分片                 检查分片（如 n1/0）的日志，并证明索引与之一致
  backup list [分片] --archive 文件夹
                            备份里有什么，能回到多早
  backup verify [分片] --archive 文件夹 [--secret 文件] [--until 时间]
                            逐条证明备份中的记录
  backup account 地址 --archive 文件夹 [--secret 文件] [--until 时间] [--name 邮箱夹]
                            把当时的邮件放回该帐号的一个邮箱夹
  backup restore 分片 --member 0|1 --archive 文件夹 [--secret 文件] [--until 时间]
                            用备份填充已停止成员的卷

选项：
  -o, --output 格式         table 或 json（status、各列表、switchover、fence、unfence）
  -f, --follow              持续输出新行（logs）
  -n, --lines N             行数（logs、queue 和 quarantine list；默认 40）
      --password 文本       密码（account add、passwd）；不给则询问，或从标准输入读取
      --name 文本           显示名（account add）
      --quota 字节数        配额（account add）；不给则用邮件域的配额
      --home 分片           所在分片（account add）；不给则选负载最小的
      --deploy 文件夹       要运行的资源所在文件夹（up）
      --no-show             不为演示终止主副本（up）
      --force               强制恢复（promote）；即使分片将无人服务也执行（stop）
      --member N            要成为主副本的成员，0 或 1（promote）
      --i-confirm-stopped 成员
                            已永久停止的另一成员（promote）
      --to 地址             收件人，或收件人的域（queue、quarantine、explain）
      --from 地址           信封上的发件人（queue、quarantine）；imaps://用户@主机、maildir:文件夹、mbox:文件（mail import）
      --level 级别          off、low、standard、strict，或 default：依域、系统的规定（filter set）
      --allow 发件人        来源得到证实即放行的地址或域（filter set）；病毒除外
      --deny 发件人         其信进垃圾箱的地址或域（filter set）
      --forget 发件人       从两个名单中去掉（filter set）
      --state 状态          waiting、attempting 或 held（queue）
      --domain 域名         仅该域的账户或群组（account list、group list）
      --status 状态         creating、active、suspended 或 deleting（account list）
      --match 文本          地址或名称的一部分（account list），或记录的一部分（audit）
      --grace 天            已删除的账户可恢复的期限（account delete；默认 30）
      --now                 立即彻底删除（account delete）
      --no-alias            旧地址不再有效（account rename）
      --reason 文本         原因，记入审计（account suspend）
      --senders 谁          谁可向群组发信：anyone、internal（已登录者）、members（group add、set）
      --scope 协议          imap、pop3、smtp 或 sieve；默认全部（account app-password）
      --since 时间          30m、2h、7d 或日期（audit；默认 1d）
      --dry-run             只说明将要做什么（account import、node drain）
      --apply               执行计划（rebalance）
      --jobs N              同时处理的个数（account import；默认 8）
      --format 格式         maildir、mbox 或 zip（mail export）
      --timeout 秒          等待阵列就绪的最长时间（up；默认 120）
      --lang 语言           en 或 zh-CN；否则由 LANG 决定
  -h, --help                显示本说明

阵列的数据在本代码库的 .twinpost 中，或在 TWINPOST_ROOT 指定的文件夹中。
退出码：0 完成，1 失败，2 命令无法理解，3 阵列没有运行。`,
  ...movesZhCn,
  ...provisionZhCn,
  unknownCommand: '未知命令：{command}。见 twinpost --help',
  unknownOption: '无法理解命令行：{problem}。见 twinpost --help',
  missingArgument: '{command} 需要 {what}。见 twinpost --help',
  tooManyArguments: '{command} 不接受 {argument}。见 twinpost --help',
  notRunning: '阵列没有运行。启动：make up',
  alreadyRunning: '阵列已在运行。',
  starting: '正在启动阵列……',
  waitingFor: '仍在等待：{what}',
  startFailed: '阵列没有启动成功。',
  startTimeout: '{seconds} 秒后阵列仍未就绪。还在等待：',
  operatorEnded: 'operator 已退出。{file} 的最后几行：',
  ready: '{seconds} 秒后就绪。',
  letterSent: '已通过 SMTP（STARTTLS）向 {address} 发出一封信：{reply}',
  letterImap: '已通过 IMAP（TLS）读回：UID {uid}，{bytes} 字节，与发出时一致',
  letterPop3: '已通过 POP3（TLS）读回：第 {number} 封，{bytes} 字节，与发出时一致',
  letterOutside: '已从 {from} 经队列向 {to} 发出一封信：{ms} 毫秒后外部收到 {bytes} 字节，内容不变',
  poolEngines: '过滤池 {name} 用以下引擎检查每封信：{engines}',
  poolAway: '以下引擎没有应答，未启用：{engines}',
  letterVirus: '已向 {to} 发送一封带测试病毒（EICAR，在 zip 内）的信，被拒收：{reply}',
  letterQuarantined: '已向 {to} 发送一封带测试病毒（EICAR，在 zip 内）的信：被隔离，编号 {letter}，原因：{reason}',
  letterFailed: '阵列在运行，但测试信在“{step}”一步失败：{problem}',
  certificateNote: '证书由 {ca} 签发',
  nextSteps: '查看：./twinpost status，./twinpost logs -f。停止：make down。',
  stopping: '正在停止阵列……',
  stopped: '阵列已停止。数据保留在 {folder}。',
  wasNotRunning: '阵列本来就没有运行。',
  leftovers: '已结束被强制终止的 operator 留下的进程：{names}',
  stopFailed: '{seconds} 秒内阵列没有停止。见 {file}',
  cleaned: '已删除 {folder}。',
  noLogs: '没有与 {name} 相符的日志。现有：{names}',
  accountCreated: '账户 {address} 已就绪；邮件在 {home}。',
  accountPassword: '账户 {address} 已设置新密码。',
  accountDeleted: '账户 {address} 已删除。',
  accountUnknown: '没有账户 {address}。',
  accountRefused: '无法对 {address} 执行：{problem}',
  addressInvalid: '{address} 不是邮件地址：应为 名称@域名',
  domainUnknown: '这里没有邮件域 {domain}，因此无法建立 {address}。',
  passwordPrompt: '{address} 的密码：',
  passwordEmpty: '密码为空。',
  shardUnknown: '没有分片 {shard}。现有：{names}',
  shardSilent: '成员 {member} 上的 {shard} 没有回答：{problem}',
  failed: '失败：{problem}',
  between: '；',
  noPrimary: '没有主副本',
  twoCopies: '两份副本同步',
  oneCopy: '只有一份副本：{why}',
  mirrorLag: '{member} 处于 {phase}，落后 {lag}',
  memberSilent: '{member} 没有回答',
  ledgerAway: '账本不可达：成员不能加入或离开',
  ledgerLost: 'LedgerLost：账本丢失或回退，需要管理员处理',
  fencedMembers: '已隔离：{members}',
  headWords: '当前状况',
  memberUnknown: '没有成员 {name}。现有成员：{names}；单个副本写作 {example}',
  switchoverDone: '{shard}：{ms} 毫秒后 {member} 成为主副本，{former} 为其镜像。',
  switchoverUnseen: '{shard} 已移交，但另一成员在 {seconds} 秒内没有开始服务。见 twinpost status',
  switchoverNoPrimary: '{shard} 没有可以移交的主副本。{words}',
  switchoverFenced: '无法移交 {shard}：{member} 已被隔离。请先解除：twinpost unfence {member}',
  memberUnknownName: '没有成员 {name}。成员有：{names}',
  memberStopped: '{member} 已停止，并保持停止，直到：twinpost start {member}',
  memberStarted: '{member} 可以重新运行。',
  stopLeavesNone: '没有做任何更改：没有 {member}，{shards} 将无人服务，因为另一成员不同步。仍要停止请加 --force',
  stopFailedMember: 'operator 没有对 {member} 执行该操作。见 twinpost logs operator',
  memberIsStopped: '{member} 已由管理员停止。启动：twinpost start {member}',
  fenceBoth: '没有为 {shard} 隔离 {member}：{other} 已被隔离，否则无人服务。请先解除：twinpost unfence {other}',
  promoteTarget: '{member} 上的 {shard}：日志止于记录 {lsn}，已知提交到 {commit}。它的说明：{phase}',
  promoteLoses: '强制提升它可能丢失 {other} 在记录 {lsn} 之后确认的一切：邮件、标志和移动；已清除的邮件会重新出现。',
  promoteLosesNothing: '账本认为 {member} 是同步的：只要它的磁盘可靠，强制提升不会丢失任何已确认的内容。',
  promoteWithoutForce:
    'promote 会让一个可能缺少已确认邮件的成员成为主副本。正常移交请用：twinpost switchover {shard}。仅当另一成员永久丢失时：twinpost promote --force {shard} --member N',
  promoteUnconfirmed:
    '没有做任何更改。请停止 {other}（twinpost stop {other} --force）后重试。若它已永久失去并保持停止，请输入它的名称：twinpost promote --force {shard} --member {member} --i-confirm-stopped {other}',
  promoteOtherLives:
    '{other} 有回答，说明它没有停止。没有做任何更改。移交请用：twinpost switchover {shard}。或停止它：twinpost stop {other} --force',
  backupRestored:
    '下一步：只启动 {pod}，然后执行 ./twinpost promote --force {shard} --member {member}。在此之前它不提供服务。',
  promoteUnseen: '{member} 已被指定为 {shard} 的主副本，但 {seconds} 秒内没有开始服务。见 twinpost status',
  showWait: '{member} 与 {other} 上的 {shard}：两份副本同步',
  showKilled: '已终止 {process}（kill -9，pid {pid}），它是这封信所在分片的主副本',
  showKilledAgain:
    '已终止 {process}（kill -9），它是这封信所在分片的主副本；在 {other} 接管之前，每次重启（{count} 次）也被终止',
  showRead: '{seconds} 秒后：已通过 IMAP 从 {member} 读到这封信，UID {uid}，{bytes} 字节，与发出时一致',
  showBack: '{seconds} 秒后：{member} 已恢复，两份副本再次同步',
  showFailed: '阵列在运行，但演示失败：{problem}',
  showNotInSync: '{seconds} 秒后 {shard} 仍没有两份同步的副本：{words}',
  showNotRead: '{seconds} 秒内无法从另一成员读到这封信：{problem}',
  queueEmpty: '队列为空。',
  queueMore: '以上是前 {count} 封；更多请用 --lines N。',
  queueUnknown: '队列中没有信 {name}。见 twinpost queue list',
  queueState: '没有状态 {state}：应为 waiting、attempting 或 held',
  queueLetter: '信 {name}，发件人 {from}，{size}，已等待 {age}，{left} 后放弃，跟踪号 {trace}',
  queueChanged: '已更改 {count} 个收件人。',
  queueHeld: '已扣留，等待放行；{reply}',
  queueAttempting: '正在发送（第 {attempt} 次）',
  queueScheduled: '将在 {time} 后发送',
  queueDeferred: '已尝试 {attempts} 次，{time} 后重试；{reply}',
  queueOverdue: '已到期 {time}：无法连接目的地，或没有发信进程在工作。见 twinpost status',
  queueDue: '即将发送',
  queueNoReply: '对方服务器尚无答复',
  quarantineEmpty: '隔离区是空的。',
  quarantineUnknown: '隔离区没有信 {name}。见 twinpost quarantine list',
  quarantineRefused: '{shard} 没有照办：{problem}',
  quarantineChanged: '{count} 封信离开了隔离区。',
  quarantineLink: '链接“{text}”指向 {href}',
  quarantineAttachment: '附件 {name}，{type}，{size}',
  explainStored: '致 {to}，来自 {from}：在 {shard} 的 {mailbox}',
  explainAction: '{action}，级别 {level}，垃圾分值 {spam}',
  explainReason: '原因：{reason}',
  explainAuthentication: '来源验证：{results}',
  explainEngine: '{engine}：{findings}',
  explainUnfiltered: '没有过滤器看过',
  explainLogged: '信 {trace}，来自 {from}，致 {to}，答复：{result}',
  explainLoggedReasons: '信 {trace}，致 {to}：{action}，原因：{reasons}',
  explainUnknown: '隔离区和本机前端的日志里都没有 {name}。要查信箱，请指定收件人：--to 地址',
  explainNotAll: '{to}：不在最新的 {count} 封信里；更早的没有查',
  filterMistake: '{what} 不是级别、地址或域。见 twinpost --help',
  filterTooMany: '一个名单最多 {count} 项。用 --forget 去掉一些',
  filterNoDomain: '没有账户或邮件域 {domain}。',
  filterRest: '近者优先；此处未说的，由 MailNode 的 spec.edge.filter 决定。',
  seconds: '{count} 秒',
  minutes: '{count} 分钟',
  hours: '{count} 小时',
  days: '{count} 天',
  headLetter: '信',
  headFrom: '发件人',
  headTo: '收件人',
  headAge: '已等待',
  headShard: '分片',
  headEpoch: '纪元',
  headPrimary: '主副本',
  headMirror: '镜像',
  headInSync: '同步集',
  headSessions: '会话数',
  headProcess: '进程',
  headType: '类型',
  headValue: '值',
  dnsThere: '已存在',
  dnsMissing: '缺少',
  dnsOther: '不同：{found}',
  dnsNoAnswer: '没有应答',
  dnsNoAddress: '{host} 没有地址',
  dnsReverse: '{host} 的地址是 {address}；反向名称：{state}',
  dnsUnknown: '没有带记录的域 {domain}。参见 twinpost domain list',
  dnsPolicy: '在 https://mta-sts.{domain}/.well-known/mta-sts.txt 提供：',
  headState: '状态',
  headPid: 'PID',
  headRestarts: '重启次数',
  headUptime: '运行时间',
  headMemory: '内存',
  headService: '服务',
  headAddress: '地址',
  headPassword: '密码',
  headHome: '所在分片',
  headName: '名称',
  headStatus: '状态',
  headQuota: '配额',
  headDomain: '邮件域',
  headActive: '启用',
  headCatchAll: '兜底账户',
  headPostmaster: '邮件管理员',
  headSubject: '主题',
  headReason: '原因',
  headWho: '对象',
  headLevel: '级别',
  headAllow: '放行',
  headDeny: '拒绝',
  none: '-',
  yes: '是',
  no: '否',
  stateStarting: '启动中',
  stateRunning: '运行中',
  stateWaiting: '等待中',
  stateStopped: '已停止',
}
