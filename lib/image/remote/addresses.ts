/** Which IP addresses belong to the public Internet. */

import type { BlockList as Blocks } from "node:net";
import { needed } from "../../system/builtin.ts";

const { BlockList, isIP } = needed("node:net");

/**
 * IPv4 blocks that are not globally reachable: IANA's special-purpose registry (RFC 6890 and
 * later), multicast and the reserved class E.
 */
const FORBIDDEN_V4 = blockList("ipv4", [
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
]);

/** The only block of IPv6 that is assigned to hosts of the Internet. */
const GLOBAL_V6 = blockList("ipv6", ["2000::/3"]);
/** What in it is not theirs: documentation, and what carries an IPv4 address in it. */
const FORBIDDEN_V6 = blockList("ipv6", [
  "2001::/23", // Protocol assignments, Teredo among them.
  "2001:db8::/32",
  "2002::/16", // 6to4.
  "3fff::/20",
]);

function blockList(family: "ipv4" | "ipv6", blocks: readonly string[]): Blocks {
  const list = new BlockList();
  for (const block of blocks) {
    const [base = "", bits] = block.split("/");
    list.addSubnet(base, Number(bits), family);
  }
  return list;
}

/**
 * Whether an address is one of the public Internet: not loopback, private, link-local, multicast,
 * reserved, not an IPv6 address that stands for an IPv4 one, and not one with a zone, which is an
 * interface of this machine.
 *
 * @throws {RangeError} If the text is no address.
 */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !FORBIDDEN_V4.check(address, "ipv4");
    case 6:
      if (address.includes("%")) return false;
      return GLOBAL_V6.check(address, "ipv6") && !FORBIDDEN_V6.check(address, "ipv6");
    default:
      throw new RangeError(
        `Expected an address such as 192.0.2.1 or 2001:db8::1, found "${address}"`,
      );
  }
}
