/** Bytes as text: hexadecimal and base64, by the runtime where it can, which is many times faster. */

/** What is written in hexadecimal: two digits a byte. */
const HEX_TEXT = /^(?:[0-9a-f]{2})*$/i;

/** Writes bytes as hexadecimal digits, lower case. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.toHex) return bytes.toHex();
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Reads hexadecimal digits, in either case.
 *
 * @throws {SyntaxError} If it is anything else.
 */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  if (Uint8Array.fromHex) return Uint8Array.fromHex(text);
  if (!HEX_TEXT.test(text)) throw new SyntaxError("Expected pairs of hexadecimal digits");
  return Uint8Array.from(
    { length: text.length / 2 },
    (_, n) => parseInt(text.slice(2 * n, 2 * n + 2), 16),
  );
}

/** Writes bytes as base64, with padding. */
export function toBase64(bytes: Uint8Array): string {
  if (bytes.toBase64) return bytes.toBase64();
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters);
}

/**
 * Reads base64. White space does not count, and padding may be missing.
 *
 * @throws {SyntaxError} If it is anything else.
 */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  try {
    const letters = atob(text), bytes = new Uint8Array(letters.length);
    for (let n = 0; n < letters.length; n++) bytes[n] = letters.charCodeAt(n);
    return bytes;
  } catch (error) {
    throw new SyntaxError("Expected base64", { cause: error });
  }
}
