// What docs/network.md and docs/blobs.md say about requests and blobs, written from these pages.

import { createHash } from 'node:crypto'
import { decode, encode } from '@msgpack/msgpack'

export const PROTOCOL = '/aliad/blob/1'
export const CHUNK_BYTES = 1 << 20

const sha256 = (domain, ...parts) => {
  const hash = createHash('sha256').update(`aliad/${domain}/1`)
  for (const part of parts) hash.update(part)
  return hash.digest()
}

export const chunkHash = (chunk) => sha256('blob-chunk', chunk)
export const blobId = (manifest) => sha256('blob', manifest)

const u32 = (number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  return bytes
}

export const manifestOf = (content) => {
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(BigInt(content.length))
  const hashes = []
  for (let at = 0; at < content.length; at += CHUNK_BYTES) {
    hashes.push(chunkHash(content.subarray(at, at + CHUNK_BYTES)))
  }
  return Buffer.concat([length, ...hashes])
}

// Reads so many bytes of a stream at a time.
export class Reader {
  constructor (stream) {
    this.source = stream[Symbol.asyncIterator]()
    this.buffer = Buffer.alloc(0)
  }

  async bytes (count) {
    const parts = [this.buffer]
    let have = this.buffer.length
    while (have < count) {
      const { value, done } = await this.source.next()
      if (done) return null
      const part = Buffer.from(value.subarray())
      parts.push(part)
      have += part.length
    }
    const all = Buffer.concat(parts)
    this.buffer = all.subarray(count)
    return all.subarray(0, count)
  }

  async frame () {
    const length = await this.bytes(4)
    return length && await this.bytes(length.readUInt32BE())
  }
}

// Sends all of it, and waits where the other side is slower.
export async function write (stream, bytes) {
  for (let at = 0; at < bytes.length; at += 1 << 16) {
    if (!stream.send(bytes.subarray(at, at + (1 << 16)))) {
      await new Promise((resolve) => stream.addEventListener('drain', resolve, { once: true }))
    }
  }
}

// One request after the other on one stream.
export class Client {
  constructor (stream) {
    this.stream = stream
    this.reader = new Reader(stream)
  }

  async ask (request) {
    const data = encode(request)
    await write(this.stream, Buffer.concat([u32(data.length), data]))
    const status = await this.reader.bytes(1)
    const answer = await this.reader.frame()
    if (status === null || answer === null) throw new Error('the stream ended')
    if (status[0] !== 0) throw new Error(`status ${status[0]}: ${answer}`)
    const end = 4 + answer.readUInt32BE()
    return { record: decode(answer.subarray(4, end)), content: answer.subarray(end) }
  }

  // A whole blob, every chunk checked against the id.
  async fetch (id) {
    const [version, kind, manifest, bitmap] = (await this.ask([1, 2, id])).record
    if (version !== 1 || kind !== 2 || manifest === null) throw new Error('the blob is not there')
    if (!blobId(manifest).equals(id)) throw new Error('the manifest is of another blob')
    const length = Number(Buffer.from(manifest).readBigUInt64BE())
    const count = Math.ceil(length / CHUNK_BYTES)
    const chunks = []
    for (let index = 0; index < count; index++) {
      if (!(bitmap[index >> 3] >> (index & 7) & 1)) throw new Error(`chunk ${index} is not there`)
      const { record, content } = await this.ask([1, 3, id, 1, [index]])
      const [[sent, size]] = record[3]
      if (record[1] !== 3 || sent !== index || size !== content.length) throw new Error('not a chunk')
      const hash = manifest.subarray(8 + 32 * index, 40 + 32 * index)
      if (!chunkHash(content).equals(Buffer.from(hash))) throw new Error(`chunk ${index} is false`)
      chunks.push(content)
    }
    const content = Buffer.concat(chunks)
    if (content.length !== length) throw new Error('the length is wrong')
    return content
  }
}

// Serves one blob to everyone.
export function serve (content) {
  const manifest = manifestOf(content)
  const id = blobId(manifest)
  const count = (manifest.length - 8) / 32
  const bitmap = Buffer.alloc(Math.ceil(count / 8))
  for (let index = 0; index < count; index++) bitmap[index >> 3] |= 1 << (index & 7)
  const chunk = (index) => content.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)

  const answer = ([, kind, subject, wanted, indices]) => {
    if (kind === 1) return [encode([1, 1, subject.map((one) => id.equals(one) ? bitmap : null)])]
    if (!id.equals(subject)) return [encode(kind === 2 ? [1, 2, null, Buffer.alloc(0)] : [1, 3, Buffer.alloc(0), []])]
    if (kind === 2) return [encode([1, 2, manifest, bitmap])]
    const chunks = indices.filter((index) => index < count).slice(0, wanted)
    const record = encode([1, 3, bitmap, chunks.map((index) => [index, chunk(index).length])])
    return [record, ...chunks.map(chunk)]
  }

  const handler = async (stream) => {
    const reader = new Reader(stream)
    for (let request = await reader.frame(); request !== null; request = await reader.frame()) {
      const [record, ...chunks] = answer(decode(request))
      const body = Buffer.concat([u32(record.length), record, ...chunks])
      await write(stream, Buffer.concat([Buffer.from([0]), u32(body.length), body]))
    }
    await stream.close()
  }
  return { id, handler }
}
