/** What somebody has to type to run this program. */

/** Such as `vgg16`, or `deno run --allow-read cli.ts` of a program that was not installed. */
export function programName(permissions: string = "--allow-read"): string {
  return `deno run ${permissions} cli.ts`;
}
