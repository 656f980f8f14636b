/** Which language, and the words of it. */
import { en, type MessageKey } from './en.ts'
import { zhCn } from './zh-cn.ts'

export type Language = 'en' | 'zh-CN'
export const CATALOGUES: Readonly<Record<Language, Readonly<Record<MessageKey, string>>>> = { en, 'zh-CN': zhCn }

export type Say = (key: MessageKey, values?: Readonly<Record<string, string | number>>) => string

/** @param wished Value of --lang. @param env LC_ALL, LC_MESSAGES and LANG count in this order (POSIX). */
export function chooseLanguage(
  wished: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Language | null {
  if (wished !== undefined) return /^zh/i.test(wished) ? 'zh-CN' : /^en/i.test(wished) ? 'en' : null
  const locale = [env['LC_ALL'], env['LC_MESSAGES'], env['LANG']].find((value) => value !== undefined && value !== '')
  return /^zh/i.test(locale ?? '') ? 'zh-CN' : 'en'
}

export function speaker(language: Language): Say {
  const catalogue = CATALOGUES[language]
  return (key, values = {}) => catalogue[key].replace(/\{(\w+)\}/g, (all, name: string) => String(values[name] ?? all))
}
