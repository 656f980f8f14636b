/**
 * Letters to measure with, made from families of sentences in three languages, and from texts that are at hand (pages that come with
 * packages). They show that the machine works and what it costs; they are no sample of what the world sends.
 */
import { globSync, readFileSync } from 'node:fs'
import type { LetterKind } from '../memory.ts'
import type { LetterView } from '../tokens.ts'

export interface Sample {
  readonly kind: LetterKind
  /** What it was made from: held back as a whole, it is unlike all that was learned. */
  readonly family: string
  readonly view: LetterView
}

/** A chance that gives the same numbers each time. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 0x1_0000_0000
  }
}

interface Family {
  readonly name: string
  readonly kind: LetterKind
  readonly subjects: readonly string[]
  readonly sentences: readonly string[]
  /** Domains of authors and links. */
  readonly hosts: readonly string[]
}

const NAMES =
  'anna bert carla dora emil frida gustav hanna ivan jana kofi lena mei nadia omar pia quentin rosa sven tariq'.split(
    ' ',
  )
const THINGS =
  'contract invoice roof printer garden budget meeting train ticket school concert server backup recipe bicycle report'.split(
    ' ',
  )
const JUNK_HOSTS = [
  'best-deal7.xyz',
  'win4you.top',
  'rx-health.click',
  'fast-cash.icu',
  'lucky88.vip',
  'secure-verify.info',
]
const HOSTS = ['example.org', 'verein.example', 'shop.example', 'uni.example', 'office.example', 'friends.example']

const FAMILIES: readonly Family[] = [
  {
    name: 'pills',
    kind: 'junk',
    subjects: ['Cheap meds online', 'v1agra -80% today', 'Your pharmacy order is waiting'],
    sentences: [
      'Buy V1agra and C1alis without prescription at the lowest price.',
      'Discreet shipping worldwide, doctors recommend it.',
      'Limited offer: 80% discount only today, order now!',
      'Click here to see our price list.',
      'Natural enlargement pills, 100% satisfaction or money back.',
    ],
    hosts: JUNK_HOSTS,
  },
  {
    name: 'lottery',
    kind: 'junk',
    subjects: ['CONGRATULATIONS!!! You have won', 'Winning notification', 'Your email was selected'],
    sentences: [
      'Your email address has won the sum of 1,500,000 US dollars in the international lottery.',
      'To claim your prize contact our agent immediately with your full name and phone number.',
      'This is not a joke, you are one of ten lucky winners.',
      'Keep this award strictly confidential until your claim is processed.',
    ],
    hosts: JUNK_HOSTS,
  },
  {
    name: 'advance-fee',
    kind: 'junk',
    subjects: ['Urgent business proposal', 'Dear friend', 'Confidential transaction'],
    sentences: [
      'I am the widow of the late minister and I seek your assistance to transfer 25 million dollars.',
      'You will receive 30 percent of the total sum for your kind cooperation.',
      'Please reply with your bank account details and keep this transaction confidential.',
      'God bless you as I await your urgent response.',
    ],
    hosts: JUNK_HOSTS,
  },
  {
    name: 'account-alarm',
    kind: 'junk',
    subjects: ['Your account has been limited', 'Verify your account now', 'Unusual sign-in activity'],
    sentences: [
      'We detected unusual activity, your account has been suspended.',
      'Verify your identity within 24 hours or your account will be closed permanently.',
      'Click the link below to confirm your password and billing information.',
      'Failure to update will result in loss of access.',
    ],
    hosts: JUNK_HOSTS,
  },
  {
    name: 'casino-de',
    kind: 'junk',
    subjects: ['500 Euro Bonus geschenkt', 'Gewinnen Sie jetzt', 'Nur heute: Freispiele'],
    sentences: [
      'Sichern Sie sich jetzt 500 Euro Willkommensbonus und 200 Freispiele.',
      'Garantierter Gewinn ohne Risiko, melden Sie sich sofort an!',
      'Klicken Sie hier und werden Sie reich.',
      'Dieses exklusive Angebot gilt nur noch heute.',
    ],
    hosts: JUNK_HOSTS,
  },
  {
    name: 'loans-zh',
    kind: 'junk',
    subjects: ['低息贷款当天放款', '恭喜您中奖了', '代开发票优惠'],
    sentences: [
      '无需抵押，当天放款，利息最低，请立即联系客服。',
      '恭喜您的号码被抽中，获得奖金一百万元，请点击链接领取。',
      '长期代开各类发票，保证真实有效，价格优惠。',
      '加微信了解更多赚钱机会，日赚千元不是梦。',
    ],
    hosts: JUNK_HOSTS,
  },
  {
    name: 'work-from-home',
    kind: 'junk',
    subjects: ['Earn $5000 a week', 'Work from home opportunity', 'Be your own boss'],
    sentences: [
      'Make money fast working from home, no experience needed.',
      'Our members earn up to 5000 dollars a week with crypto trading robots.',
      'Guaranteed income, risk free, act now, spots are limited.',
      'Unsubscribe by clicking the link below.',
    ],
    hosts: JUNK_HOSTS,
  },
  {
    name: 'colleague',
    kind: 'other',
    subjects: ['Re: {thing}', 'Question about the {thing}', 'Notes from Tuesday'],
    sentences: [
      'Hi {name}, can you have a look at the {thing} before Thursday?',
      'I moved the meeting to ten, the room is the same.',
      'The numbers in the second table do not add up, I think we counted one month twice.',
      'Thanks for the quick answer, that helps a lot.',
      'I am out of the office until Monday, {name} has the keys.',
      'Attached is the draft, comments are welcome.',
    ],
    hosts: HOSTS,
  },
  {
    name: 'family',
    kind: 'other',
    subjects: ['Sunday', 'Photos', 'Re: holidays'],
    sentences: [
      'Grandma asks whether you are coming on Sunday.',
      'The children liked the {thing} very much, thank you.',
      'We could take the train at nine and have lunch by the lake.',
      'Shall I bring a cake or do you make one?',
      'Give my love to {name}.',
    ],
    hosts: HOSTS,
  },
  {
    name: 'receipt',
    kind: 'other',
    subjects: ['Your order has shipped', 'Invoice 2026-{thing}', 'Your receipt'],
    sentences: [
      'Thank you for your order, it left our warehouse today.',
      'You can follow the parcel with the link below.',
      'The invoice is attached, please pay within 14 days.',
      'Total: 49.90 euro including tax and shipping.',
      'If you have questions please reply to this message.',
    ],
    hosts: HOSTS,
  },
  {
    name: 'newsletter',
    kind: 'other',
    subjects: ['News of the month', 'This week at the club', 'What is new'],
    sentences: [
      'The annual meeting takes place in the large hall, members receive the agenda by post.',
      'Our shop has new opening hours: Monday to Friday from nine to six.',
      'Read the full article on our page.',
      'You receive this letter because you subscribed; unsubscribe with the link below.',
      'Members get 10% discount on concert tickets this month.',
    ],
    hosts: HOSTS,
  },
  {
    name: 'verein-de',
    kind: 'other',
    subjects: ['Protokoll der Sitzung', 'Termin am Freitag', 'Re: Heizung'],
    sentences: [
      'Anbei das Protokoll der letzten Sitzung, Ergänzungen bitte bis Freitag.',
      'Könntest du die Schlüssel bei {name} abgeben?',
      'Der Handwerker kommt am Dienstag zwischen acht und zehn.',
      'Vielen Dank für die Einladung, wir kommen gern.',
      'Die Rechnung ist bezahlt, der Beleg liegt im Ordner.',
    ],
    hosts: HOSTS,
  },
  {
    name: 'work-zh',
    kind: 'other',
    subjects: ['关于明天的会议', '项目进度', '回复：报告'],
    sentences: [
      '明天的会议改到下午三点，地点不变。',
      '附件是最新的报告，请大家看一下有没有问题。',
      '服务器今晚升级，届时邮件会暂停几分钟。',
      '谢谢你的帮助，周五一起吃饭吧。',
      '请把上个月的数据发给我，我来整理。',
    ],
    hosts: HOSTS,
  },
]

/** @param count Letters, as many of each family. */
export function generated(count: number, random: () => number): Sample[] {
  const pick = <T>(list: readonly T[]): T => {
    const found = list[Math.floor(random() * list.length)]
    if (found === undefined) throw new Error('a list to pick from is empty')
    return found
  }
  const filled = (text: string) => text.replaceAll('{name}', pick(NAMES)).replaceAll('{thing}', pick(THINGS))
  return Array.from({ length: count }, (_, i) => {
    const family = FAMILIES[i % FAMILIES.length] ?? pick(FAMILIES)
    const { name, kind, subjects, sentences, hosts } = family
    const host = pick(hosts)
    const body = Array.from({ length: 3 + Math.floor(random() * 8) }, () => filled(pick(sentences)))
    // Both kinds quote and sign, and junk is stuffed with words of honest letters now and then.
    if (kind === 'junk' && random() < 0.3)
      body.push(filled(pick(FAMILIES.filter((one) => one.kind === 'other')).sentences[0] ?? ''))
    body.push(`https://${random() < 0.5 ? 'www.' : ''}${host}/${Math.floor(random() * 1e6)}`, pick(NAMES))
    const text = body.join('\n')
    const html = random() < 0.4
    return {
      kind,
      family: name,
      view: {
        subject: filled(pick(subjects)),
        authors: [`${pick(NAMES)}@${host}`],
        texts: [{ subtype: html ? 'html' : 'plain', text: html ? `<p>${body.join('</p><p>')}</p>` : text }],
      },
    }
  })
}

/** Pages that came with packages, cut into pieces of some paragraphs, as letters about technical things. */
export function pages(pattern: string, most: number): Sample[] {
  const samples: Sample[] = []
  for (const path of globSync(pattern)) {
    const paragraphs = readFileSync(path, 'utf8').split(/\n\s*\n/)
    for (let at = 0; at + 4 <= paragraphs.length && samples.length < most; at += 4) {
      const text = paragraphs
        .slice(at, at + 4)
        .join('\n\n')
        .slice(0, 8_000)
      const subject = (paragraphs[at] ?? '').slice(0, 60).replace(/\s+/g, ' ')
      samples.push({
        kind: 'other',
        family: 'pages',
        view: { subject, authors: ['list@lists.example'], texts: [{ subtype: 'plain', text }] },
      })
    }
  }
  return samples
}

/** Lines as `spam<TAB>text` and `ham<TAB>text`: the form of the SMS Spam Collection. */
export function lines(path: string): Sample[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line): Sample[] => {
      const [kind, text] = line.split('\t')
      if (text === undefined || (kind !== 'spam' && kind !== 'ham')) return []
      const view = { subject: '', authors: [], texts: [{ subtype: 'plain', text }] }
      return [{ kind: kind === 'spam' ? 'junk' : 'other', family: 'lines', view }]
    })
}
