import { assert, assertEquals, assertThrows } from "@std/assert";
import { isPublicAddress } from "../../../lib/image/remote/addresses.ts";

// Blocks from IANA's special-purpose address registries: the first and the last address of each,
// and the neighbors that are public.
const FORBIDDEN = `
  0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255
  169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255
  198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
  :: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:7f00:1 ::127.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::1 100::1
  2001::1 2001:1ff:ffff::1 2001:db8::1 2606:4700::1111%eth0 2002:7f00:1::1 3fff::1 fc00::1 fdff::1 fe80::1 fe80::1%eth0 fec0::1
  fd00:ec2::254 ff02::1
`;
const PUBLIC = `
  1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
  169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255
  198.20.0.0 223.255.255.255 2001:4860:4860::8888 2606:4700::1111 2a00:1450::1 2001:200::1 2003::1
`;
const words = (text: string) => text.trim().split(/\s+/);

Deno.test("addresses that only this machine or its network can reach are not public", () => {
  for (const address of words(FORBIDDEN)) assertEquals(isPublicAddress(address), false, address);
});

Deno.test("addresses of the Internet are public", () => {
  for (const address of words(PUBLIC)) assertEquals(isPublicAddress(address), true, address);
});

Deno.test("what is no address is an error, never public", () => {
  const wrong = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "0x7f.0.0.1",
    "a",
    "1:2:3",
    "::1::2",
    "2001::g",
  ];
  for (const text of wrong) assertThrows(() => isPublicAddress(text), RangeError, "address", text);
});

/** Where this is stricter than Python 3.11: what its tables lack, or call global. */
const STRICTER = [
  /^(22[4-9]|23\d)\./, // Multicast is global, but nobody's address.
  /^192\.0\.0\./, // Protocol assignments.
  /^192\.88\.99\./, // 6to4 relays.
  /^2002:/, // 6to4.
  /^3fff:[0-9a-f]{0,3}:/, // Documentation, since 2024.
  /^(?![23][0-9a-f]{3}:).*:/, // Beyond 2000::/3 no block is assigned to hosts of the Internet.
];

Deno.test("no drawn address is public that Python's ipaddress calls local, and few are stricter", async () => {
  const file = new URL("../../fixtures/addresses/verdicts.txt", import.meta.url);
  const lines = (await Deno.readTextFile(file)).trimEnd().split("\n");
  const kinds = { public: 0, local: 0, stricter: 0 };
  for (const line of lines) {
    const [address, verdict] = line.split(" ");
    if (isPublicAddress(address)) {
      assertEquals(verdict, "global", address);
      kinds.public++;
    } else if (verdict === "global") {
      assert(STRICTER.some((block) => block.test(address)), address);
      kinds.stricter++;
    } else kinds.local++;
  }
  assert(lines.length > 1900 && Math.min(...Object.values(kinds)) > 400, JSON.stringify(kinds));
});
