/** In a thread: whoever started it. */

/** The other end of a thread. */
export interface Port {
  /** What it was started with. */
  readonly given: unknown;
  /** Sends a message. */
  send(message: unknown, transfer?: readonly ArrayBuffer[]): void;
  /** Has messages heard. */
  listen(hear: (message: never) => void): void;
}

const NAME = "@edge/vgg16 port", KEY = Symbol.for(NAME);

/** What a thread runs before it imports a module that takes the port. */
export const HAND_OVER: string = `globalThis[Symbol.for("${NAME}")] = port;\n`;

/** Takes the port: nobody else finds it then. @throws {Error} Where there is none, outside of a thread. */
export function takePort(): Port {
  const port: Port | undefined = Reflect.get(globalThis, KEY);
  if (port === undefined) throw new Error("Expected to be run as a thread of this package");
  Reflect.deleteProperty(globalThis, KEY);
  return port;
}
