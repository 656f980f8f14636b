/** Every command of a session by its name. An extension adds a line here and its word in `../capabilities.ts`. */
import type { Command } from '../command.ts'
import { deleteAcl, getAcl, listRights, myRights, setAcl } from './acl.ts'
import { append, replace, uidReplace } from './append.ts'
import { cancelUpdate } from './cancel-update.ts'
import { compress } from './compress.ts'
import { copy, move, uidCopy, uidMove } from './copy.ts'
import { esearch } from './esearch.ts'
import { expunge, uidExpunge } from './expunge.ts'
import { fetch, uidFetch } from './fetch.ts'
import { capability, enable, id, logout, noop } from './general.ts'
import { idle } from './idle.ts'
import { list, lsub } from './list.ts'
import { create, namespace, remove, rename, subscribe, unsubscribe } from './mailboxes.ts'
import { getMetadata, setMetadata } from './metadata.ts'
import { notify } from './notify.ts'
import { getQuota, getQuotaRoot, setQuota } from './quota.ts'
import { search, uidSearch } from './search.ts'
import { check, close, examine, select, unselect } from './select.ts'
import { sort, uidSort } from './sort.ts'
import { status } from './status.ts'
import { store, uidStore } from './store.ts'
import { thread, uidThread } from './thread.ts'

export const SESSION_COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['CAPABILITY', capability],
  ['NOOP', noop],
  ['LOGOUT', logout],
  ['ID', id],
  ['ENABLE', enable],
  ['SELECT', select],
  ['EXAMINE', examine],
  ['CREATE', create],
  ['DELETE', remove],
  ['RENAME', rename],
  ['SUBSCRIBE', subscribe],
  ['UNSUBSCRIBE', unsubscribe],
  ['LIST', list],
  ['LSUB', lsub],
  ['NAMESPACE', namespace],
  ['STATUS', status],
  ['APPEND', append],
  ['REPLACE', replace],
  ['UID REPLACE', uidReplace],
  ['GETMETADATA', getMetadata],
  ['SETMETADATA', setMetadata],
  ['GETACL', getAcl],
  ['SETACL', setAcl],
  ['DELETEACL', deleteAcl],
  ['LISTRIGHTS', listRights],
  ['MYRIGHTS', myRights],
  ['GETQUOTA', getQuota],
  ['GETQUOTAROOT', getQuotaRoot],
  ['SETQUOTA', setQuota],
  ['IDLE', idle],
  ['NOTIFY', notify],
  ['COMPRESS', compress],
  ['CHECK', check],
  ['CLOSE', close],
  ['UNSELECT', unselect],
  ['EXPUNGE', expunge],
  ['UID EXPUNGE', uidExpunge],
  ['SEARCH', search],
  ['UID SEARCH', uidSearch],
  ['CANCELUPDATE', cancelUpdate],
  ['ESEARCH', esearch],
  ['SORT', sort],
  ['UID SORT', uidSort],
  ['THREAD', thread],
  ['UID THREAD', uidThread],
  ['FETCH', fetch],
  ['UID FETCH', uidFetch],
  ['STORE', store],
  ['UID STORE', uidStore],
  ['COPY', copy],
  ['UID COPY', uidCopy],
  ['MOVE', move],
  ['UID MOVE', uidMove],
])
