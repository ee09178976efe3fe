/** What a node does cannot be said by the operators of a graph; the message says why. */
export class NotUnderstood extends Error {}
