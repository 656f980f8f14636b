/** How the objects of a FilterPool are called and found, for those who ask it. */

export const MILTER_PORT = 9_150

/** Name of all objects of a pool: apart from a MailNode of the same name. */
export const poolName = (pool: string): string => `${pool}-filter`
