// js-libp2p's packages count on node 22; this is all that node 20 lacks of it.

Promise.withResolvers ??= () => {
  let resolve, reject
  const promise = new Promise((...both) => { [resolve, reject] = both })
  return { promise, resolve, reject }
}
