/** Which addresses of a file lie in domains of the array; each domain is asked for once. */
import type { DirectoryAdmin } from '#lib/ldap/admin.ts'

export class OwnDomains {
  readonly #directory: Pick<DirectoryAdmin, 'domain'>
  readonly #active = new Map<string, Promise<boolean>>()

  constructor(directory: Pick<DirectoryAdmin, 'domain'>) {
    this.#directory = directory
  }

  /** @returns Domains of the addresses that are not ours, or not in use, each once. */
  async foreign(addresses: readonly string[]): Promise<string[]> {
    const foreign: string[] = []
    for (const domain of new Set(addresses.map((one) => one.slice(one.lastIndexOf('@') + 1)))) {
      if (!(await this.#isActive(domain))) foreign.push(domain)
    }
    return foreign
  }

  #isActive(domain: string): Promise<boolean> {
    const known = this.#active.get(domain) ?? this.#directory.domain(domain).then((found) => found?.active ?? false)
    this.#active.set(domain, known)
    return known
  }
}
