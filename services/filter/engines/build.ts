/** From settings to engines. */
import { unreachable } from '#lib/errors/assert.ts'
import type { BayesMemory } from '../bayes/memory.ts'
import type { EngineConfig } from '../config.ts'
import type { Engine } from '../scan/engine.ts'
import { AttachmentEngine } from './attachments.ts'
import { BayesEngine } from './bayes.ts'
import { ClamdEngine } from './clamd.ts'
import { PhishingEngine } from './phishing.ts'
import { RspamdEngine } from './rspamd.ts'
import { EICAR, SignatureEngine } from './signatures.ts'
import { SpamdEngine } from './spamd.ts'

/** @param memory What bayes engines of the process share. */
export function buildEngine(config: EngineConfig, memory: BayesMemory): Engine {
  switch (config.kind) {
    case 'signatures':
      return new SignatureEngine({
        ...config,
        signatures: [
          EICAR,
          ...config.patterns.map(({ name, base64 }) => ({ name, pattern: Buffer.from(base64, 'base64') })),
        ],
      })
    case 'attachments':
      return new AttachmentEngine(config)
    case 'bayes':
      return new BayesEngine(config, memory)
    case 'phishing':
      return new PhishingEngine(config)
    case 'clamd':
      return new ClamdEngine(config)
    case 'spamd':
      return new SpamdEngine(config)
    case 'rspamd':
      return new RspamdEngine(config)
    default:
      return unreachable(config)
  }
}
