// A js-libp2p peer that connects to an aliad node and tries what peers do with each other.
//
//     node peer.mjs ADDRESS CHAIN BLOB
//
// It prints a line for every step that worked, and exits with 1 at the first that does not. Between
// "publishing" and "done", which it reads from its standard input, the node does its own steps.

import './node20.mjs'

import { once } from 'node:events'
import { randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { Client, PROTOCOL, serve } from './wire.mjs'

const STEP_SECONDS = 30

const [address, chain, blob] = process.argv.slice(2)
const topics = ['consensus', 'tx', 'work'].map((name) => `/aliad/${chain}/${name}`)
const say = (...words) => console.log(words.join(' '))

async function step (name, work) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(new Error('not in time')), STEP_SECONDS * 1000)
  })
  try {
    const result = await Promise.race([work(), late])
    say('ok', name)
    return result
  } catch (error) {
    console.error(`FAILED ${name}:`, error)
    process.exit(1)
  } finally {
    clearTimeout(timer)
  }
}

async function until (condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 50))
}

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping(), pubsub: gossipsub() }
})
const commands = createInterface({ input: process.stdin })
const target = multiaddr(address)
const python = address.split('/p2p/')[1]

const served = serve(randomBytes(3 * 2 ** 19))
await node.handle(PROTOCOL, served.handler)

const heard = new Map()
node.services.pubsub.addEventListener('message', ({ detail }) => {
  if (detail.type === 'signed' && detail.from.toString() === python) heard.set(detail.topic, detail.data)
})
for (const topic of topics) node.services.pubsub.subscribe(topic)

const identified = once(node, 'peer:identify')
await step('connect', () => node.dial(target))
await step('identify', async () => {
  const [{ detail }] = await identified
  if (!detail.protocols.includes(PROTOCOL)) throw new Error(`it speaks ${detail.protocols}`)
})
await step('ping', () => node.services.ping.ping(target))
await step('receive on all topics', () => until(() => topics.every((topic) => heard.has(topic))))
await step('fetch a blob of two and a half chunks', async () => {
  const stream = await node.dialProtocol(target, PROTOCOL)
  const content = await new Client(stream).fetch(Buffer.from(blob, 'hex'))
  if (content.length !== 5 * 2 ** 19) throw new Error(`${content.length} bytes`)
  await stream.close()
})

say('publishing', node.peerId.toString(), served.id.toString('hex'))
const publishing = setInterval(() => {
  for (const topic of topics) {
    node.services.pubsub.publish(topic, Buffer.from(`javascript ${topic}`)).catch(() => {})
  }
}, 500)
await step('be asked and heard', () => once(commands, 'line'))
clearInterval(publishing)
await node.stop()
process.exit(0)
