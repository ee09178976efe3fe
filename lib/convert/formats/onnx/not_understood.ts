/** What a node does cannot be said by the operators of a graph; the message says why. */
export class NotUnderstood extends Error {
  constructor(because: string) {
    // A list of a file may have a million numbers.
    super(because.length > 300 ? `${because.slice(0, 300)} …` : because);
  }
}
