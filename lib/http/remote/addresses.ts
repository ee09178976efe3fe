/**
 * Which IP addresses belong to the public Internet.
 *
 * @module
 */

/**
 * IPv4 blocks that are not globally reachable: IANA's special-purpose registry (RFC 6890 and
 * later), multicast and the reserved class E.
 */
const FORBIDDEN_V4: readonly string[] = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16", // Link-local: the metadata services of clouds.
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/** The only block of IPv6 that is assigned to hosts of the Internet. */
const GLOBAL_V6 = "2000::/3";
/** What in it is not theirs: documentation, and what carries an IPv4 address in it. */
const FORBIDDEN_V6: readonly string[] = [
  "2001::/23", // Protocol assignments, Teredo among them.
  "2001:db8::/32",
  "2002::/16", // 6to4.
  "3fff::/20",
  "5f00::/16",
];

/**
 * Whether an address is one of the public Internet: not loopback, private, link-local, multicast,
 * reserved, and not an IPv6 address that stands for an IPv4 one.
 *
 * @throws {RangeError} If the text is no address.
 */
export function isPublicAddress(address: string): boolean {
  if (!address.includes(":")) {
    const bits = v4Bits(address);
    return !FORBIDDEN_V4.some((block) => isWithin(bits, block, v4Bits, 32));
  }
  const bits = v6Bits(address.replace(/%.*$/, ""));
  return isWithin(bits, GLOBAL_V6, v6Bits, 128) &&
    !FORBIDDEN_V6.some((block) => isWithin(bits, block, v6Bits, 128));
}

function isWithin(
  bits: bigint,
  block: string,
  parse: (text: string) => bigint,
  width: number,
): boolean {
  const [base, length] = block.split("/");
  const shift = BigInt(width - Number(length));
  return bits >> shift === parse(base) >> shift;
}

function v4Bits(text: string): bigint {
  const parts = text.split(".");
  const isByte = (part: string): boolean => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256;
  if (parts.length !== 4 || !parts.every(isByte)) {
    throw new RangeError(`Expected an IPv4 address such as 192.0.2.1, found "${text}"`);
  }
  return parts.reduce((bits, part) => bits << 8n | BigInt(part), 0n);
}

function v6Bits(text: string): bigint {
  const invalid = new RangeError(`Expected an IPv6 address such as 2001:db8::1, found "${text}"`);
  // The last 32 bits may be written as an IPv4 address.
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
  if (dotted !== undefined) {
    const bits = v4Bits(dotted);
    text = text.slice(0, -dotted.length) +
      `${(bits >> 16n).toString(16)}:${(bits & 0xffffn).toString(16)}`;
  }
  const [head, tail, more] = text.split("::");
  if (more !== undefined) throw invalid;
  const groupsOf = (part: string | undefined): string[] => part ? part.split(":") : [];
  const first = groupsOf(head), last = groupsOf(tail);
  const missing = 8 - first.length - last.length;
  if (tail === undefined ? missing !== 0 : missing < 1) throw invalid;
  const groups = [...first, ...Array<string>(missing).fill("0"), ...last];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) throw invalid;
  return groups.reduce((bits, group) => bits << 16n | BigInt(`0x${group}`), 0n);
}
