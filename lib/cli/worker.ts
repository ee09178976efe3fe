/** `worker`: answers what another program asks of pictures, for as long as that asks. */

import type { Classifier } from "../classifier.ts";
import type { LazyImage } from "../image/image.ts";
import type { ImageOutcome, ImageResult } from "../input/each_image.ts";
import type { EmbeddingName } from "../model/architecture.ts";
import type { Model } from "../model/model.ts";
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
import { checkEmbedding } from "../output/embedding.ts";
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
import { send } from "./terminal.ts";
import { UsageError } from "./usage_error.ts";
import { Answers, embeddingAnswer, errorLine, lineOf } from "./worker/answers.ts";
import { type Asked, fetchedAhead, inTurn } from "./worker/pictures.ts";
import { type Id, readRequests, type Request } from "./worker/requests.ts";

/** Of what is said to whoever starts a worker, and how it is asked. */
const PROTOCOL = 1;

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
      // As it was loading: nothing was taken that would have to be answered.
      if (signal.aborted && error === signal.reason) return 0;
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
  await using classifier = await openClassifier({ ...wanted, model });
  const answering = options.embed === undefined
    ? predicting(classifier, options)
    : await embedding(classifier, model, options.embed, options);
  const { backend, classes } = classifier.info;

  const taken: (Id | null)[] = [];
  let isBroken = false;
  const requests = readRequests(readStdin, { isLines, isFetching, stop });
  const asked = isFetching ? fetchedAhead(requests, offline) : inTurn(requests);
  const pictures = picturesOf(asked, (request) => {
    taken.push(request.id);
    isBroken ||= request.isBroken === true;
  });
  await using answers = new Answers(send);
  await answers.add(lineOf({
    protocol: PROTOCOL,
    ...settingsOf("worker", [model], classifier.info, answering.settings),
    backend,
    ...answering.shape !== undefined && { shape: answering.shape },
    labels: classes.map(({ label }) => label),
  }));
  for await (const answer of answering.answers(pictures, () => taken.shift()!)) {
    checkExecutor(classifier);
    await answers.add(answer);
  }
  return isBroken ? 1 : 0;
}

/** What is answered. */
interface Answering {
  readonly settings: Settings;
  /** Of every embedding. */
  readonly shape?: readonly number[];
  /** @param nextId Gives the ids in the order of the pictures. */
  answers(
    pictures: AsyncIterable<NamedImage<LazyImage>>,
    nextId: () => Id | null,
  ): AsyncIterable<Uint8Array>;
}

function predicting(classifier: Classifier, options: Values<typeof OPTIONS>): Answering {
  const views = pickOptions(VIEW_OPTIONS, options);
  const selection = {
    topK: SELECTION_OPTIONS.topK.default,
    ...pickOptions(SELECTION_OPTIONS, options),
  };
  const classifying = { ...views, ...selection };
  withSettings(() => classifier.stream([], classifying)); // Checks them before anything is read.
  return {
    settings: { ...viewSettings(views), ...selectionSettings(selection) },
    answers: (pictures, nextId) =>
      answersTo(
        classifier.stream(pictures, classifying),
        nextId,
        (id, { predictions }) => lineOf({ id, predictions }),
      ),
  };
}

async function embedding(
  classifier: Classifier,
  model: Model,
  layer: EmbeddingName,
  options: Values<typeof OPTIONS>,
): Promise<Answering> {
  const embedding = { layer, ...pickOptions({ pooling, normalize }, options) };
  const layers = withSettings(() => checkEmbedding(embedding, model));
  const blank = { data: new Uint8Array(3), width: 1, height: 1 };
  const { shape } = await classifier.embed(blank, embedding);
  return {
    ...{ settings: embeddingSettings(layers), shape },
    answers: (pictures, nextId) =>
      answersTo(
        classifier.embedStream(pictures, embedding),
        nextId,
        (id, found) => embeddingAnswer(id, found.embedding, options.base64 === true),
      ),
  };
}

/** The answers to what came of pictures. */
async function* answersTo<Name extends string, Result>(
  outcomes: AsyncIterable<ImageOutcome<Name, Result>>,
  nextId: () => Id | null,
  answerOf: (id: Id | null, result: ImageResult<Name, Result>) => Uint8Array,
): AsyncGenerator<Uint8Array> {
  for await (const outcome of outcomes) {
    const id = nextId(), { error } = outcome;
    yield error === undefined ? answerOf(id, outcome) : errorLine(id, error.cause);
  }
}

/** Requests as a classifier takes pictures: what is wrong with one is thrown when its turn comes. */
async function* picturesOf(
  asked: AsyncIterable<Asked>,
  onTake: (request: Request) => void,
): AsyncGenerator<NamedImage<LazyImage>> {
  for await (const { request, open } of asked) {
    onTake(request);
    yield { name: String(request.id), image: open };
  }
}
