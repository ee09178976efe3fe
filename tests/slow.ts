/**
 * The tests that `deno task test:fast` leaves out, in one place: `tests/slow_test.ts` holds the list to the tests that there
 * are. A test that starts a process and is not here fails there, for it has no permission to; of those that take long
 * the command prints the longest.
 *
 * @module
 */

/** Test files, relative to this folder: all of their tests, or those whose names have certain words. */
export type SlowTests = Readonly<Record<string, "all" | readonly string[]>>;

/** Tests that start a process, or look at this one in `/proc` or at `/dev`, which takes all permissions. */
const STARTING: SlowTests = {
  "bundle_test.ts": "all",
  "cli/advice_test.ts": [
    "a missing permission is named in words, and the command",
    "a program from a registry is named by it",
    "help is the same however it is asked for, and wins over",
    "quoted() is one word for a shell, whatever it is",
    "the program is named by where it lies",
    "whoever mistypes a command, or a path for one, gets what was meant",
  ],
  "cli/classify_test.ts": "all",
  "cli/cli_test.ts": "all",
  "cli/completions_test.ts": [
    "bash completes commands, options and values",
    "completions prints the script of a shell, for the name that",
  ],
  "cli/doctor_test.ts": "all",
  "cli/embed_test.ts": [
    "embed looks again at an image that changed, and says so",
    "embed that is stopped keeps its rows, and ends with the",
    "embed writes the same numbers in all formats, and replaces none",
    "rows are not held in memory",
    "the page of the command line shows what embed writes",
  ],
  "cli/environment_test.ts": [
    "a variable does not get in the way of what takes no such option",
    "a variable stands for an option, and the option wins",
    "a wrong variable is a wrong command line, and is named",
    "an offline environment touches no network",
    "names with a typo, and old ones, are told on standard error",
    "what is not permitted is not read, nor asked for",
  ],
  "cli/error_words_test.ts": "all",
  "cli/evaluate_test.ts": "all",
  "cli/features_test.ts": "all",
  "cli/fit_folders_test.ts": "all",
  "cli/formats_test.ts": "all",
  "cli/hostile_names_test.ts": ["every command shows hostile names, and no terminal obeys them"],
  "cli/inputs_test.ts": ["pictures in a list are looked at when their turn comes: a"],
  "cli/install_test.ts": "all",
  "cli/interrupt_test.ts": "all",
  "cli/man_test.ts": ["man prints a page of plain lines, with a section for each command"],
  "cli/models_test.ts": "all",
  "cli/offline_test.ts": [
    "--offline refuses whatever is on the network, in every command",
    "a list may name URLs, also such as end in no name of an image",
    "folders and files are read from the disk, whatever they are called",
  ],
  "cli/output_stream_test.ts": [
    "FORCE_COLOR colors the word that says what a line is, and no more",
    "a reader that leaves ends the work, quietly",
    "output that is on no disk any more is an error",
  ],
  "cli/outputs_test.ts": ["no command replaces what it reads"],
  "cli/parts/manifest_test.ts": [
    "standard input is a list of the current folder's paths",
    "two names that are no UTF-8 and are shown alike are refused",
  ],
  "cli/parts/read_ahead_test.ts": ["a pipe is no file, and is not waited for"],
  "cli/parts_faults_test.ts": "all",
  "cli/records_test.ts": [
    "an evaluation that is killed again and again, divided or",
    "relative paths of another folder are other pictures",
  ],
  "cli/shard_test.ts": [
    "a disk that fills ends classify, embed, explain and",
    "embed adds to its lines, and to nothing else",
    "parts of an evaluation, put together by a last run, give",
    "processes of which one is killed and started again find",
  ],
  "cli/similar_test.ts": "all",
  "cli/transcript_test.ts": "all",
  "cli/worker_test.ts": "all",
  "compose/shared_test.ts": ["threads that decode end with the last classifier that is closed"],
  "convert/formats/hdf5_test.ts": [
    "an HDF5 file that hangs the library is a named error after",
    "an HDF5 file that hangs the library is refused by a package",
    "a closed file's thread is the next one's",
  ],
  "convert/pull/resume_test.ts": [
    "a killed process's download is taken up where it ended",
    "a pull that is killed at any step is finished by the next one",
    "processes that pull the same model at once download it once",
  ],
  "convert/refusals_test.ts": ["a refused PyTorch archive leaves no temporary file open"],
  "convert/source_test.ts": [
    "a checkpoint comes through standard input, by each of its names",
    "what is no file is refused by what it is, before anything",
  ],
  "converting_test.ts": [
    "the commands of docs/converting.md print what it says",
    "what docs/converting.md says of each source is so",
  ],
  "deploy/bulk_test.ts": [
    "Slurm's signals reach the program, which has the time to end",
    "a Slurm task is queued again where it may pass or the time",
  ],
  "deploy/deploy_test.ts": [
    "pin.sh writes the digest of each image, again what it is",
    "the container's health check tells a live service from",
  ],
  "deploy/replicas_test.ts": "all",
  "docs_test.ts": "all",
  "engine/wasm/threads_test.ts": [
    "a disposed engine leaves no threads",
    "an engine that is disposed of while its threads start leaves none",
    "a program that forgets to dispose its threads still ends",
    "where there are no workers, one thread computes",
  ],
  "engine/webgpu/adapter_test.ts": "all",
  "entries_test.ts": [
    "brings the packages that it says",
    "an isolate of an edge platform needs no package",
    "an entry of lib/entries/ only exports",
    "the page of the entries lists",
    "the example of",
  ],
  "errors_test.ts": [
    "a full disk is disk-full, with the file's name",
    "the example of docs/errors.md prints what it says",
  ],
  "examples_test.ts": [
    "examples/batch_job.ts",
    "examples/classify.ts",
    "examples/edge_handler.ts",
    "examples/own_classes.ts",
    "examples/page.html",
    "examples/search_sqlite.ts",
    "examples/similar.ts",
  ],
  "http/lifecycle_test.ts": ["handler() has one model with classify(), in whichever order"],
  "http/server/settings_test.ts": ["the environment is read as far as it may be, without asking"],
  "http/server/telemetry_test.ts": ["text is colored, unless NO_COLOR is set"],
  "image/background_test.ts": [
    "a package that came over the network decodes on another",
    "images of so many pixels are decoded on another thread,",
    "where no thread can be started, images are decoded on this one",
    "where no thread can be started, no more images are decoded at",
  ],
  "image/decode_test.ts": [
    "a PNG of 49 million gray pixels costs the picture, and little more",
    "a bomb costs less than 50 MB:",
  ],
  "image/read_test.ts": ["reading needs the permission to read the file, and decoding none"],
  "import_test.ts": "all",
  "input/picture_files_test.ts": ["a picture by its ending is one whatever it holds, and a"],
  "input/stream_test.ts": ["an abort waits for no promise of an iterator, and for no"],
  "io/atomic_file_test.ts": [
    "only a draft is taken for a leftover",
    "what a killed process left is removed by the next, what a",
  ],
  "io/cache_test.ts": ["an old name of a variable is reported once with the new"],
  "npm_package_test.ts": "all",
  "packages_test.ts": "all",
  "permissions_test.ts": "all",
  "programs_test.ts": [
    "does what it is for",
    "what the strictest compiler says of a program is found, and",
  ],
  "readme_test.ts": "all",
  "registry_test.ts": "all",
  "runtimes_test.ts": "all",
  "search/index_file_test.ts": ["a pipe is no index, and nobody waits for its writer"],
  "secrets_test.ts": [
    "a service tells nobody where its model is from, and its log",
    "no error shows a secret of a URL or of a redirect",
    "no command shows or writes a password or a signature, and",
  ],
  "serve_test.ts": "all",
  "surface_test.ts": "all",
  "system/node_test.ts": [
    "a lock keeps others out, is given back",
    "a lock of a process whose number another has got",
    "of two that take over a lock one gets it",
  ],
  "threads/kernel_threads_test.ts": "all",
  "threads/pool_test.ts": [
    "a storm of aborts, deaths and failed starts: each call",
    "a module that is not there is no line of another thread",
    "a thread in a loop that knows no end is killed",
    "code without imports is a thread where nothing may be read",
    "threads start together or not at all, and who waits learns",
    "threads stay for as long as somebody holds them, and then",
  ],
  "tools/build_npm_test.ts": "all",
  "tools/dependencies_test.ts": "all",
  "tools/imports_test.ts": [
    "a cycle is a fault, also one of types or of imports when",
    "an import that the table does not have is a fault, where it",
    "imports the way that the rooms go are none",
    "what a browser loads imports nothing of Node's, by whatever",
  ],
  "tools/indexed_test.ts": "all",
  "tools/prepare_publication_test.ts": "all",
  "tools/release_test.ts": "all",
  "tools/test_test.ts": ["a process that fails is a failure: its tests, or what is around"],
  "train/resume_test.ts": "all",
  "worker_platform_test.ts": "all",
  "worker_python_test.ts": "all",
};

/** Tests that compute for seconds. */
const LONG: SlowTests = {
  "abort_test.ts": [
    ": an abort is heard of in the middle of an epoch",
    ": an abort in the middle ends it with its reason",
  ],
  "cifar10_model_test.ts": [
    "embed() gives the same bits on both backends, on every layer",
    "the model of CIFAR-10 is right about 471 of 500 test images",
  ],
  "classifier_test.ts": [
    "many images are opened as they are needed, a batch at most",
    "prepared images give the rows of their pictures, in their",
    "embed() gives the scores as prob and the logits as fc8, of",
  ],
  "cli/embed_test.ts": ["a table as .csv is one line a row, and nothing in it is a formula"],
  "cli/nothing_lost_test.ts": [
    "random outputs replace nothing, unless --force says so, and",

    "whoever goes on draws over own pictures alone, and over",
  ],
  "cli/worker/pictures_test.ts": ["no more is fetched ahead than there is room for"],
  "cli/worker/requests_test.ts": ["a line is as long as its picture needs, and no longer"],
  "convert/formats/hdf5_test.ts": [
    "an HDF5 file refuses to give the",
    "texts of 16 MiB are read, and no more",
  ],
  "convert/formats/tensorflow_test.ts": [
    "an index with any damage gives variables, or a named error",
    "constants that are computed in many steps are read, however",
  ],
  "convert/network/match_network_test.ts": ["a graph that is changed at random"],
  "convert/pull/pull_test.ts": [
    "pullModel() gives up where a server promises more bytes",
    "pullModel() holds the catalog's size while bytes arrive,",
    "pullModel() takes up a connection",
    "pullModel() waits and tries again",
    "openModel() streams a model from a URL whose",
  ],
  "convert/pull/resume_test.ts": [
    "a pull is taken up wherever it was broken off",
    "a server that always cuts at the same byte is not asked",
  ],
  "convert/refusals_test.ts": ["give models or named errors"],
  "convert/trained_test.ts": [
    "the network of",
    "is bad with other colors, scales and offsets",
    "a model of",
  ],
  "embedded_model_test.ts": [
    "classify() takes the embedded model, and it names a cat and",
    "the embedded model gives the same bits on both engines",
    "the embedded model is what the converter makes of its checkpoint",
  ],
  "engine/average_test.ts": ["WebGPU averages a large map"],
  "engine/layers_test.ts": [
    "WebGPU gives several layers",
    "WebAssembly gives several layers",
    "images that go through the convolutions one by one have the",
    "WebGPU scales by what a pool takes",
    "no tensor is left on the GPU by a run",
    "a run of several layers ends early on WebGPU",
  ],
  "engine/wasm/float_test.ts": "all",
  "engine/wasm/int8_test.ts": [
    "the tried algorithms and two threads give the direct one's",

    ", gives the reference's accumulators on every layer",
    "Winograd's sums are exact up to the largest that the",
  ],
  "engine/wasm/large_test.ts": "all",
  "engine/wasm/same_answer_test.ts": "all",
  "engine/wasm/memory_test.ts": [
    "a very large picture's memory is given back, and answers",
    "an engine that cannot get a smaller memory answers on, with",
    "what an engine says that it holds is its memory, larger or smaller",
  ],
  "engine/webgpu/convolution_test.ts": "all",
  "engine/webgpu/device_test.ts": "all",
  "engine/webgpu/engine_test.ts": "all",
  "engine/webgpu/limits_test.ts": "all",
  "engine/webgpu/recovery_test.ts": "all",
  "engine/webgpu/same_answer_test.ts": "all",
  "engine/webgpu/tfjs_test.ts": "all",
  "engine/webgpu/tune_test.ts": "all",
  "engine/webgpu/winograd_test.ts": "all",
  "explain/fitted_test.ts": [
    "a map of a head that sees parts of a layer:",
    "a map is how a logit changes with what each position says:",
    "a head that sees parts of a layer takes no views of other sizes:",
  ],
  "http/protocols/explain_test.ts": [
    "of many requests for /explain few have their pictures in memory",
  ],
  "http/protocols/fitted_test.ts": [
    "each look counts among what the network looks at, and the",
    "fitted models of the same labels are one by fuse, and served",
    "/classify, /embed and /explain give what the library does",
  ],
  "http/queue/device_loss_test.ts": "all",
  "http/remote/downloads_test.ts": ["eight downloads go at once"],
  "http/server/limits_test.ts": ["bodies that arrive slowly take"],
  "http/server/workers_test.ts": ["a worker that drains waits for"],
  "image/codecs/inflate_test.ts": [
    ", stored or deflated in any way, comes back the same",
    "damaged data gives an error or as many bytes as were asked",
  ],
  "image/decode_test.ts": ["a large PNG of which less is needed is decoded at a"],
  "image/fuzz_test.ts": "all",
  "io/cache_test.ts": [
    "a classifier on WebGPU keeps what it tried in the default folder",
    'a classifier with tune: "off" keeps nothing',
  ],
  "logits_hash_test.ts": "all",
  "output/calibration_test.ts": ["the temperature is that by which the classes were drawn"],
  "output/embedding_test.ts": ["embed() by default gives the same bits on both engines:"],
  "output/readout_test.ts": ["both engines give the same bits"],
  "output/temperature_test.ts": ["both engines give the same bits at a temperature"],
  "poisoned_json_test.ts": ["requests with poisoned JSON are answered, and none fails"],
  "progress_test.ts": ["pullModel()", "convert() of a URL", "over connections that are cut"],
  "search/index_file_test.ts": ["wherever an index is cut off or changed, it is refused"],
  "search/page_test.ts": ["a page has so many pictures that it can be mailed, and"],
  "train/add_examples_test.ts": [
    "addExamples() gives the model that a fit on all pictures gives",
    "addExamples() leaves out what is an example already, and",
  ],
  "train/fine_tune_test.ts": [
    "fit() with fineTune tells apart what the frozen layers do",
    "fit() with fineTune that is interrupted in an epoch makes",
    "fit() with fineTune reads all pictures again",
  ],
  "train/fit_test.ts": [
    "a picture that cannot be read is left out and told,",
    "fit() calibrates its model on pictures that it kept back,",
    "fit() gives the same model again, also when it was interrupted",
    "fit() goes on with no training whose pictures had other labels",
    "fit() makes a model that works:",
    "fit() reads streams, responses and what opens a picture, in",
    "fit() reads the average of a model's map, and fits a fitted",
    "fit() takes no features from a directory that are not of",
    "fit() takes the nearest examples where classes are small,",
    "fit() writes its model to out, and then has no bytes",
    "fitFromScratch() gives the same model again, also when it",
    "training leaves no tensors behind",
  ],
  "train/fitted_model_test.ts": [
    "files that are decoded in parts of their size are seen as",
    "of a base that resizes to more than it sees, sides are seen",
    "scores of what was learned from are those of its features",
    "scores of what was learned from are those of its features:",
  ],
  "train/from_scratch_test.ts": [
    "another seed fine-tunes in another way",
    "each seed begins with weights of its own, and gives a model",
    "fitFromScratch() learns from the bytes that a classifier",
  ],
  "train/gram_test.ts": ["gramOf() gives the inner products of rows, and sumsOfRows()"],
  "train/kept_features_test.ts": [
    "a training goes on with the same pictures and labels alone:",
    "maps that a disk has damaged are computed again, and make",
    "pictures that come, go, change or move cost what is new",
    "pictures in memory are known by what they show, whatever",
  ],
  "train/keys_test.ts": ["the hash of a fit's data is that of lines, of however many"],
  "train/large_features_test.ts": [
    "large features give the same model from a file and from memory",
  ],
  "train/out_of_fold_test.ts": [
    "an assessment is what fits on the other folds say of each picture",
  ],
  "train/state_file_test.ts": [
    "a state of 27 million parameters with all that Adam",
    "whatever of a state file is damaged, it is no state, and",
  ],
  "cli/fitted_test.ts": ["fit's options say what the new model sees, and models info"],
  "convert/formats/pytorch_test.ts": [
    "TorchScript's code that is long or deep takes no longer than it is",
    "dictionaries that hold each other, and those that share",
  ],
  "engine/wasm/threads_test.ts": [
    "three threads give the reference's values on every layer,",
    "threads give the same values run after run",
    "an engine whose threads can be started only later has",
  ],
  "explain/explain_test.ts": [
    "gradCam() is autograd's on float activations:",
    "explain() and distance() run the network once, and answer",
    "explain() maps a class's probability over the image",
    "explain() of a sigmoid gives the class's score, and maps it",
    "explain() of a model that averages its map has a finer map",
  ],
  "http/queue/budget_test.ts": ["large images are decoded as maxDecodePixels has it, a"],
  "image/background_test.ts": ["every file decodes on a thread as on this one"],
  "image/codecs/imperfect_test.ts": ["of a JPEG its end marker alone may be missing: a byte of"],
  "input/stream_test.ts": [
    "never takes more than a bounded number ahead",

    "many streams of one classifier each give their own, in order",
  ],
  "input/views_test.ts": ["scores() gives PyTorch's probabilities:"],
  "search/describe_test.ts": ["a picture looks as the largest values of pool5 say, and"],
  "train/network_test.ts": ["the kernels convolve by definition:"],
  "train/random_test.ts": ["a picture is mirrored in some epochs, and not in others,"],
  "train/whitening_test.ts": [
    "whitened photos have little left in common with their neighbors",
    "fitFromScratch() whitens, and its model does so with the",
  ],
};

/** All of them. */
export const SLOW: ReadonlyMap<string, "all" | readonly string[]> = new Map(
  [...Object.keys({ ...STARTING, ...LONG })].map((
    file,
  ) => [file, both(STARTING[file], LONG[file])]),
);

function both(
  a: "all" | readonly string[] = [],
  b: "all" | readonly string[] = [],
): "all" | readonly string[] {
  return a === "all" || b === "all" ? "all" : [...a, ...b];
}
