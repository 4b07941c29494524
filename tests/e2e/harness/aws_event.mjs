// AWS event-stream frames (application/vnd.amazon.eventstream), as the service writes them.
const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

export function crc32(bytes) {
  let c = 0xffffffff;
  for (const b of bytes) c = table[(c ^ b) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

// headers: { ':event-type': 'messageStart', … } (all texts); payload: object or text.
export function frame(headers, payload) {
  const body = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  const head = Buffer.concat(Object.entries(headers).map(([name, value]) => {
    const v = Buffer.from(value);
    return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7, v.length >> 8, v.length & 255]), v]);
  }));
  const total = 16 + head.length + body.length;
  const out = Buffer.alloc(total);
  out.writeUInt32BE(total, 0);
  out.writeUInt32BE(head.length, 4);
  out.writeUInt32BE(crc32(out.subarray(0, 8)), 8);
  head.copy(out, 12);
  body.copy(out, 12 + head.length);
  out.writeUInt32BE(crc32(out.subarray(0, total - 4)), total - 4);
  return out;
}

export const event = (type, payload) => frame({ ':event-type': type, ':content-type': 'application/json', ':message-type': 'event' }, payload);
export const exception = (type, payload) => frame({ ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' }, payload);

// All frames of a buffer: [{ type, exception, payload (text) }]; throws on a bad checksum or a part of a frame.
export function frames(bytes) {
  const all = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 16) throw new Error('cut frame');
    const total = bytes.readUInt32BE(at), headLength = bytes.readUInt32BE(at + 4);
    if (bytes.length - at < total) throw new Error('cut frame');
    if (crc32(bytes.subarray(at, at + 8)) !== bytes.readUInt32BE(at + 8)) throw new Error('bad prelude checksum');
    if (crc32(bytes.subarray(at, at + total - 4)) !== bytes.readUInt32BE(at + total - 4)) throw new Error('bad checksum');
    const headers = {};
    for (let h = at + 12; h < at + 12 + headLength;) {
      const n = bytes[h], name = bytes.toString('utf8', h + 1, h + 1 + n);
      h += 1 + n;
      if (bytes[h] !== 7) throw new Error(`header ${name} is no text`);
      const m = bytes.readUInt16BE(h + 1);
      headers[name] = bytes.toString('utf8', h + 3, h + 3 + m);
      h += 3 + m;
    }
    all.push({
      type: headers[':event-type'] ?? headers[':exception-type'], exception: headers[':message-type'] === 'exception', headers,
      payload: bytes.toString('utf8', at + 12 + headLength, at + total - 4),
    });
    at += total;
  }
  return all;
}
