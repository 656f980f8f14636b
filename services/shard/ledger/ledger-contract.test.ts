import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after } from 'node:test'
import { SeededRandom } from '../replication/testing/seeded-random.ts'
import { VirtualClock } from '../replication/testing/virtual-clock.ts'
import { SqliteLedger } from './sqlite-ledger.ts'
import { type ContractWorld, ledgerContract, shardNames } from './testing/ledger-contract.ts'
import { SimLedger } from './testing/sim-ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'twinpost-ledger-contract-'))
const path = join(folder, 'ledger.sqlite')
const open: SqliteLedger[] = []
after(() => {
  for (const ledger of open) ledger.close()
  rmSync(folder, { recursive: true })
})

function sqliteWorld(): ContractWorld {
  const nextShard = shardNames()
  return {
    client() {
      const ledger = new SqliteLedger(path)
      open.push(ledger)
      return ledger
    },
    emptyShard: async () => nextShard(),
    async lose(shard) {
      const database = new DatabaseSync(path)
      database.prepare('DELETE FROM ledger WHERE shard = ?').run(shard)
      database.close()
    },
    settle: (promise) => promise,
  }
}

function simulatedWorld(): ContractWorld {
  const nextShard = shardNames()
  const clock = new VirtualClock()
  const ledger = new SimLedger({ clock, random: new SeededRandom(1) })
  return {
    client: () => ledger.client(),
    emptyShard: async () => nextShard(),
    async lose(shard) {
      ledger.lose(shard)
    },
    async settle(promise) {
      let done = false
      const marked = promise.finally(() => {
        done = true
      })
      await clock.until(() => done, 60_000)
      return marked
    },
  }
}

for (const [name, make] of Object.entries({ SqliteLedger: sqliteWorld, SimLedger: simulatedWorld })) {
  const world = make()
  ledgerContract(name, () => world)
}
