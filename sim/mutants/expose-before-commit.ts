/** Shows and answers what is durable here, before it is committed. */
import { CommitPipeline as Pipeline, type PipelineOptions } from '#shard/mailbox/commit-pipeline.ts'

export * from '#shard/mailbox/commit-pipeline.ts'

export class CommitPipeline extends Pipeline {
  constructor(options: PipelineOptions) {
    let highest = 0
    super({
      ...options,
      commits: {
        onCommit: (listener) => {
          const tell: typeof listener = (lsn) => {
            if (lsn <= highest) return
            highest = lsn
            listener(lsn)
          }
          options.commits.onCommit(tell)
          options.log.onDurable(tell)
        },
      },
    })
  }
}
