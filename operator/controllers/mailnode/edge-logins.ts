/** What a MailNode says about users at its edges, as settings of theirs. Pure. */
import type { MailNode } from '#operator/api/mod.ts'
import type { EnvVar } from '#operator/cluster/objects.ts'

/** Only what differs from the edge's own defaults: an edge of before knows no more. */
export function edgeLoginsEnv({ spec: { edge } }: MailNode): EnvVar[] {
  const { logins } = edge
  if (logins === undefined) return []
  const { scram, sharing, pop3DelaySeconds, oidc } = logins
  const env: EnvVar[] = []
  if (!scram) env.push({ name: 'TWINPOST_SCRAM', value: 'false' })
  if (sharing) env.push({ name: 'TWINPOST_SHARING', value: 'true' })
  if (pop3DelaySeconds > 0) env.push({ name: 'TWINPOST_POP3_LOGIN_DELAY_SECONDS', value: String(pop3DelaySeconds) })
  if (oidc !== undefined) {
    env.push({ name: 'TWINPOST_OIDC_ISSUER', value: oidc.issuer })
    env.push({ name: 'TWINPOST_OIDC_AUDIENCE', value: oidc.audience })
    env.push({ name: 'TWINPOST_OIDC_ADDRESS_CLAIM', value: oidc.addressClaim })
  }
  return env
}
