/** Specs that take longer than `make test` has time for run with `E2E=all` only; without it they say so. */
export const onlyInAll: string | false = process.env['E2E'] === 'all' ? false : 'not run: takes long, run with E2E=all'
