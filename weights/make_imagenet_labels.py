"""Makes lib/model/imagenet_labels.json: the 1000 classes of ImageNet in order, by WordNet id.

    npm pack @tensorflow-models/mobilenet@2.1.1 && tar xzf tensorflow-models-mobilenet-2.1.1.tgz
    apt-get install wordnet-base
    python3 make_imagenet_labels.py package/dist/imagenet_classes.js

The names are those of the npm package; a class is the synset of WordNet 3.0 with the same words. Where
several have the same words (a crane is a bird and a machine) the order of the classes decides, as their ids
ascend; where it does not, SYNSETS says which one ImageNet means.
"""
import json
import os
import re
import sys

# Where the package spells a name in another way than WordNet 3.0.
SPELLINGS = {"jelly fish": "jellyfish"}
WORDNET = "/usr/share/wordnet/data.noun"
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib/model/imagenet_labels.json")

# The classes by index of which WordNet has more than one that would fit the order, as ImageNet chose.
SYNSETS = {
    102: "n01872401", 398: "n02666196", 411: "n02730930", 417: "n02782093", 431: "n02804414",
    438: "n02815834", 443: "n02834397", 456: "n02879718", 471: "n02950826", 488: "n02999410",
    501: "n03045698", 544: "n03259280", 549: "n03291819", 586: "n03478589", 587: "n03481172",
    594: "n03495258", 597: "n03527444", 624: "n03661043", 643: "n03724870", 664: "n03782006",
    698: "n03877845", 718: "n03933933", 727: "n03956157", 733: "n03976657", 745: "n04009552",
    753: "n04040759", 758: "n04067472", 766: "n04111531", 771: "n04125021", 780: "n04147183",
    783: "n04153751", 792: "n04208210", 813: "n04270147", 815: "n04275548", 816: "n04277352",
    830: "n04336792", 866: "n04465501", 902: "n04579432", 910: "n04597913", 982: "n10148035",
    987: "n12144580",
}


def read_classes(path):
    with open(path) as file:
        source = re.sub(r"""['"] \+\s+['"]""", "", file.read())  # strings that go on in the next line
    pairs = re.findall(r"""^\s+(\d+): (?:'((?:[^'\\]|\\.)*)'|"([^"]*)")""", source, re.M)
    classes = {int(index): (single or double).replace("\\'", "'") for index, single, double in pairs}
    assert sorted(classes) == list(range(1000)), len(classes)
    return [classes[i] for i in range(1000)]


def read_synsets(path):
    """Ids by the words of a synset, in lower case."""
    synsets = {}
    with open(path) as file:
        for line in file:
            if line.startswith("  "):
                continue
            fields = line.split(" ")
            words = [fields[4 + 2 * i].replace("_", " ") for i in range(int(fields[3], 16))]
            synsets.setdefault(", ".join(words).lower(), []).append(f"n{fields[0]}")
    return synsets


def ascending(candidates):
    """The one ascending choice: each class the smallest id above the one before, checked from the end too."""
    forward, last = [], ""
    for options in candidates:
        last = min(option for option in options if option > last)
        forward.append(last)
    backward, last = [], "o"
    for options in reversed(candidates):
        last = max(option for option in options if option < last)
        backward.append(last)
    assert forward == backward[::-1], "more than one order is possible"
    return forward


def main():
    classes = read_classes(sys.argv[1])
    synsets = read_synsets(WORDNET)
    candidates = [synsets[SPELLINGS.get(name, name).lower()] for name in classes]
    for index, chosen in SYNSETS.items():
        assert chosen in candidates[index]
        candidates[index] = [chosen]
    ids = ascending(candidates)
    with open(OUT, "w") as file:
        json.dump(dict(zip(ids, classes)), file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main()
