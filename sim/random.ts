/** Chance from a seed: the same seed gives the same history, on every machine. The generator is sfc32. */
import type { Random } from '#lib/ports/random.ts'

export class SimRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number) {
    this.#a = seed >>> 0
    this.#b = Math.floor(seed / 0x1_0000_0000) >>> 0
    this.#c = 0x9e37_79b9
    for (let i = 0; i < 12; i++) this.#next()
  }

  /** A generator of its own, so that more draws in one part of a world do not change the others. */
  fork(): SimRandom {
    return new SimRandom(this.#next() * 0x20_0000 + (this.#next() >>> 11))
  }

  fraction(): number {
    return this.#next() / 0x1_0000_0000
  }

  /** A whole number from `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.fraction() * (max - min + 1))
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.int(0, values.length - 1)]
    if (value === undefined) throw new RangeError('Cannot pick from an empty list')
    return value
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    let at = 0
    for (; at + 4 <= length; at += 4) bytes.writeUInt32LE(this.#next(), at)
    for (; at < length; at++) bytes[at] = this.#next() & 0xff
    return bytes
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0
    this.#counter = (this.#counter + 1) >>> 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) >>> 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0
    return sum
  }
}
