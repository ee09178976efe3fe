/**
 * The checksum of PNG's chunks (ISO/IEC 15948, annex D), four bytes at a time.
 *
 * @module
 */

/** `[4, 256]`: the CRC of a byte with 0, 1, 2 and 3 zero bytes after it. */
const TABLES = new Int32Array(4 * 256);
for (let n = 0; n < 256; n++) {
  let crc = n;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  TABLES[n] = crc;
}
for (let n = 256; n < 1024; n++) {
  TABLES[n] = (TABLES[n - 256] >>> 8) ^ TABLES[TABLES[n - 256] & 255];
}

/** CRC-32 of some bytes, unsigned. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  const whole = bytes.length & ~3;
  let i = 0;
  for (; i < whole; i += 4) {
    crc ^= bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
    crc = TABLES[768 + (crc & 255)] ^ TABLES[512 + (crc >>> 8 & 255)] ^
      TABLES[256 + (crc >>> 16 & 255)] ^ TABLES[crc >>> 24];
  }
  for (; i < bytes.length; i++) crc = TABLES[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
