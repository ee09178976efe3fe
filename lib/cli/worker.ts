/** `worker`: answers what another program asks of pictures, for as long as that asks. */

import type { Classifier } from "../classifier.ts";
import { readBytes } from "../image/read.ts";
import type { LazyImage } from "../image/image.ts";
import type { ImageOutcome } from "../input/each_image.ts";
import type { NamedImage } from "../input/prepared_image.ts";
import {
  EMBEDDING_OPTIONS,
  flag,
  pickOptions,
  RESOLVE_OPTIONS,
  SELECTION_OPTIONS,
  type Table,
  type Values,
  VIEW_OPTIONS,
} from "../options.ts";
import { checkEmbedding, type EmbeddingOptions } from "../output/embedding.ts";
import { flagOf } from "./arguments.ts";
import type { Command } from "./command.ts";
import { isFromEnvironment } from "./environment.ts";
import { openClassifier, openModel } from "./loading.ts";
import { READS } from "./permissions.ts";
import { CLASSIFIER_FLAGS, withSettings } from "./run.ts";
import {
  checkExecutor,
  embeddingSettings,
  selectionSettings,
  type Settings,
  settingsOf,
  viewSettings,
} from "./settings.ts";
import { isTerminal, readStdin } from "./stdin.ts";
import { send, tellMore } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";
import { Answers, embeddingAnswer, errorLine, lineOf } from "./worker/answers.ts";
import { type Id, readRequests, type Request } from "./worker/requests.ts";

/** Of what is said to whoever starts a worker, and how it is asked. */
const PROTOCOL = 1;
/** How long a file may take to come from a URL: one that dawdles keeps all others waiting. */
const FETCH_MS = 60_000;

const { layer, pooling, normalize } = EMBEDDING_OPTIONS;
const PREDICTING = { ...SELECTION_OPTIONS, ...VIEW_OPTIONS } satisfies Table;

const OPTIONS = {
  ...SELECTION_OPTIONS,
  embed: {
    ...layer,
    ...{ placeholder: "LAYER", default: undefined, unset: "predictions" },
    about: "Answer with embeddings, of search or a layer, in place of predictions",
  },
  ...{ pooling, normalize },
  base64: flag({}, "Lines alone in both directions: pictures and embeddings as base64"),
  fetch: flag({}, "Fetch pictures by their http and https URLs, too"),
  ...VIEW_OPTIONS,
  ...CLASSIFIER_FLAGS,
} satisfies Table;

export const workerCommand: Command<typeof OPTIONS> = {
  usage: "[OPTIONS]",
  examples: [
    { line: "vgg16 worker" },
    { line: "vgg16 worker --embed search", about: "embeddings, as float32" },
    { line: "vgg16 worker --base64 --fetch", permissions: `${READS} --allow-net` },
  ],
  options: OPTIONS,
  groups: { "Protocol": ["base64", "fetch"], "Embeddings": ["embed", "pooling", "normalize"] },
  notes: "The first line on standard output says what answers. Then of each request on standard " +
    "input there is one answer, in their order.\n" +
    'Requests: {"id":1,"bytes":N} on a line and N bytes of a picture, {"id":1,"data":"BASE64"} ' +
    'or {"id":1,"url":"https://..."}.\n' +
    "Exit code: 0 at the end of the input or after a signal, 1 for what is no request, or 2 for a " +
    "wrong command line.",

  async run(operands, options, signal) {
    if (operands.length > 0) throw new UsageError("worker takes no files: they come as requests");
    checkGoTogether(options);
    if (isTerminal()) {
      throw new UsageError("Standard input is this terminal: pipe requests into the command");
    }
    try {
      return await work(options, signal);
    } catch (error) {
      // Before it has taken a request nothing is left to answer.
      if (signal.aborted) return 0;
      throw error;
    }
  },
};

/** @throws {UsageError} If an option has no effect beside the others. */
function checkGoTogether(options: Values<typeof OPTIONS>): void {
  const refuse = (table: Table, beside: string): void => {
    for (const [name, option] of Object.entries(table)) {
      if (options[name as keyof typeof OPTIONS] === undefined) continue;
      throw new UsageError(`--${flagOf(name, option)} has no effect ${beside}`);
    }
  };
  if (options.embed === undefined) refuse({ pooling, normalize }, "without --embed");
  else refuse(PREDICTING, "beside --embed");
  if (options.fetch && options.offline && !isFromEnvironment("offline")) {
    throw new UsageError("--fetch and --offline contradict each other: give one");
  }
}

/** Answers until the input ends, or until `stop` is aborted: what was taken is answered then, too. */
async function work(options: Values<typeof OPTIONS>, stop: AbortSignal): Promise<number> {
  const { base64: isLines = false, fetch: isFetching = false, offline } = options;
  const wanted = { ...pickOptions(CLASSIFIER_FLAGS, options), signal: stop };
  const model = await openModel(options.model, pickOptions(RESOLVE_OPTIONS, wanted));
  const embedding = options.embed === undefined ? undefined : {
    layer: options.embed,
    ...pickOptions({ pooling, normalize }, options),
  };
  const layers = embedding && withSettings(() => checkEmbedding(embedding, model));
  await using classifier = await openClassifier({ ...wanted, model });
  const views = pickOptions(VIEW_OPTIONS, options);
  const selection = {
    topK: SELECTION_OPTIONS.topK.default,
    ...pickOptions(SELECTION_OPTIONS, options),
  };
  const classifying = { ...views, ...selection };
  if (embedding === undefined) withSettings(() => classifier.stream([], classifying));
  const own = layers === undefined
    ? { ...viewSettings(views), ...selectionSettings(selection) }
    : embeddingSettings(layers);
  const settings = settingsOf("worker", [model], classifier.info, own);

  const answers = new Answers(send), taken: (Id | null)[] = [];
  let isBroken = false, failed = 0, answered = 0;
  const requests = readRequests(readStdin, { isLines, isFetching, stop });
  const pictures = picturesOf(requests, offline, (request) => {
    taken.push(request.id);
    isBroken ||= request.isBroken === true;
  });
  const answerEach = async <Name extends string, Result>(
    outcomes: AsyncIterable<ImageOutcome<Name, Result>>,
    answerOf: (id: Id | null, outcome: { readonly [Key in Name]: Result }) => Uint8Array,
  ): Promise<void> => {
    for await (const outcome of outcomes) {
      const id = taken.shift()!;
      answered++;
      if (outcome.error !== undefined) {
        failed++;
        await answers.add(errorLine(id, outcome.error.cause));
      } else {
        checkExecutor(classifier);
        await answers.add(answerOf(id, outcome));
      }
    }
  };
  await answers.add(lineOf(await hello(settings, classifier, embedding)));
  if (embedding === undefined) {
    const outcomes = classifier.stream(pictures, classifying);
    await answerEach(outcomes, (id, { predictions }) => lineOf({ id, predictions }));
  } else {
    const outcomes = classifier.embedStream(pictures, embedding);
    await answerEach(outcomes, (id, found) => embeddingAnswer(id, found.embedding, isLines));
  }
  await answers.end();
  tellMore(`${answered} answered, ${failed} of them with an error`);
  return isBroken ? 1 : 0;
}

/** What answers, and how. */
async function hello(
  settings: Settings,
  classifier: Classifier,
  embedding: EmbeddingOptions | undefined,
): Promise<object> {
  const { backend, classes } = classifier.info;
  const labels = classes.map(({ label }) => label);
  const first = { protocol: PROTOCOL, ...settings, backend };
  if (embedding === undefined) return { ...first, labels };
  // Those of all pictures have one shape.
  const blank = { data: new Uint8Array(3), width: 1, height: 1 };
  const { shape } = await classifier.embed(blank, embedding);
  return { ...first, shape, labels };
}

/** Requests as a classifier takes pictures: what is wrong with one is thrown when its turn comes. */
async function* picturesOf(
  requests: AsyncIterable<Request>,
  offline: boolean | undefined,
  onTake: (request: Request) => void,
): AsyncGenerator<NamedImage<LazyImage>> {
  for await (const request of requests) {
    const { id, picture } = request;
    onTake(request);
    yield {
      name: String(id),
      image: () => {
        if (picture instanceof Error) throw picture;
        if (picture instanceof Uint8Array) return picture;
        const signal = AbortSignal.timeout(FETCH_MS);
        return readBytes(picture, { sources: ["http"], offline, signal });
      },
    };
  }
}
