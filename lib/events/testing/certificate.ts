/**
 * A certificate for tests only, signed by itself, good for a hundred years: for `server.test` and 127.0.0.1, with the role
 * `directory`. Its key is public; nothing outside of tests may trust it.
 */
import type { TlsMaterial } from '#lib/tls/material.ts'

const cert = `-----BEGIN CERTIFICATE-----
MIIBwTCCAWigAwIBAgIUbu8LnckLsHHqKYff449AbLKy2VYwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNVHdpbnBvc3QgdGVzdDAgFw0yNjExMjQwODMzNDRaGA8yMTI2
MTAzMTA4MzM0NFowGDEWMBQGA1UEAwwNVHdpbnBvc3QgdGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABIF2K84AbUAAUe0JN/sFIYj+/dFbJy7sX/dtb+bCMOiK
3I6LfGdWJnYSgIPUKJ3YEKHeFvPgz7nQnv1BvG4YyOWjgY0wgYowHQYDVR0OBBYE
FIiCNfxn2qtzS/p7seK0+kp5elDLMB8GA1UdIwQYMBaAFIiCNfxn2qtzS/p7seK0
+kp5elDLMDcGA1UdEQQwMC6CC3NlcnZlci50ZXN0hwR/AAABhhl0d2lucG9zdDov
L2RpcmVjdG9yeS90ZXN0MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAw
RAIgIYPG0PsXAlniJQLE6m3gdxcYu+XOP4ZNL9ZQWM0luckCIFDUErPh8cbPmdak
6e8jRPHGUUbltEG2mm9iVXzkO8R1
-----END CERTIFICATE-----
`

const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgf9d7kPTRorya5dh0
WXK/roxW21U37t+h2KfThwYYO6OhRANCAASBdivOAG1AAFHtCTf7BSGI/v3RWycu
7F/3bW/mwjDoityOi3xnViZ2EoCD1Cid2BCh3hbz4M+50J79QbxuGMjl
-----END PRIVATE KEY-----
`

export const TEST_TLS: TlsMaterial = { cert, key, ca: cert }
