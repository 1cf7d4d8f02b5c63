"""The texts that are sent to another implementation, by class, chosen so that each shows another difference.

``PLAIN_LOWER`` has what every implementation must agree on, if the network is the same: short words in lower
case. The other classes add one difficulty each. Nothing else is ever sent.
"""

# ruff: noqa: RUF001 - ambiguous characters are the point

from __future__ import annotations

from itertools import cycle, islice

# Words that are one token each, so that a text can be made to measure.
_ONE_TOKEN_WORDS = [
    *("the", "old", "captain", "walked", "slowly", "along", "the", "harbor", "wall", "and", "watched"),
    *("small", "boats", "return", "with", "their", "catch", "while", "children", "ran", "past", "him"),
    *("toward", "the", "market", "where", "bread", "fish", "and", "fruit", "were", "sold", "every"),
    "morning",
]


def of_length(tokens: int) -> str:
    """Return a text of exactly ``tokens`` tokens, [CLS] and [SEP] included."""
    return " ".join(islice(cycle(_ONE_TOKEN_WORDS), tokens - 2))


PLAIN = [
    "A girl is styling her hair.",
    "A girl is brushing her hair.",
    "A man is playing a guitar on stage.",
    "Someone performs on a guitar in front of an audience.",
    "How do I reset my password?",
    "I forgot my login credentials and need to change them.",
    "That is a happy person",
    "That is a very happy person",
    "The quick brown fox jumps over the lazy dog.",
    "The stock market fell sharply after the announcement.",
    "My grandmother bakes the best apple pie in town.",
    "I like this movie.",
    "I do not like this movie.",
    "The war ended in 1945.",
    "Water boils at 100 degrees Celsius at sea level.",
    "Dog bites man.",
    "Man bites dog.",
    "She sold him the car that he had always wanted to buy from her.",
    "Buffalo buffalo Buffalo buffalo buffalo buffalo Buffalo buffalo.",
    "It is raining; nevertheless, we shall go for a walk, shan't we?",
    "Photosynthesis converts light energy into chemical energy stored in glucose.",
    'The defendant, having been duly sworn, testified as follows: "I was not there."',
    "To be, or not to be, that is the question.",
    "Colorless green ideas sleep furiously.",
]

SHORT = [
    "",
    " ",
    "   \t\n  ",
    "a",
    "A",
    "I",
    "1",
    "?",
    ".",
    "-",
    "$",
    "ok",
    "OK",
    "cat",
    "dog",
    "run",
    "running",
]

PUNCTUATION_AND_DIGITS = [
    "...",
    "?!?!?!",
    "--- *** ___ ===",
    "'\"`´‘’“”«»",
    "3.14159",
    "22/7",
    "1,234,567.89",
    "+1 (555) 010-9999",
    "2024-02-29T23:59:60Z",
    "0x1F 0b1010 1e-10",
    "½ ⅓ ² ³ ₁ ₂ Ⅳ ⑦ ١٢٣ १२३ １２３",
    "$100 €200 £300 ¥400 ₿5",
    "a.b.c d-e-f g_h_i j/k/l",
]

CASE_AND_ACCENTS = [
    "HELLO WORLD",
    "hello world",
    "HeLLo WoRLD",
    "iPhone eBay McDonald NaN",
    "café naïve façade Zürich Ångström",  # composed
    "cafe\u0301 nai\u0308ve fac\u0327ade Zu\u0308rich A\u030angstro\u0308m",  # decomposed
    "Việt Nam, Tiếng Việt",
    "İstanbul ıssız I i",
    "STRASSE Straße ẞ",
    "Ελληνικά ΣΊΣΥΦΟΣ σίσυφος",
    "Москва Ёлка ёлка йод и\u0306од",
    "ﬁ ﬂ ﬀ Ǆ ǅ ǆ ŉ",
    "Ｆｕｌｌｗｉｄｔｈ ｔｅｘｔ",
    "Z\u0351\u036b\u0343a\u0302\u0310\u0301l\u0334\u0321g\u0315\u0322o\u0358\u035c",  # many marks on a letter
]

SCRIPTS = [
    "今天天气很好，我们去公园散步。",
    "東京は日本の首都です。",
    "カタカナ ひらがな 漢字 ｶﾀｶﾅ",
    "안녕하세요 세계",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # Hangul in conjoining letters
    "مرحبا بالعالم، كيف حالك؟",
    "السَّلَامُ عَلَيْكُمْ",
    "שלום עולם",
    "בְּרֵאשִׁית בָּרָא אֱלֹהִים",
    "नमस्ते दुनिया, आप कैसे हैं?",
    "สวัสดีชาวโลก",
    "Привет, мир!",
    "Γειά σου Κόσμε",
    "გამარჯობა მსოფლიო",
    "mixed 中文 and English と日本語",
    "𠀀𠀁 𪚥 rare ideographs",
    "𝕳𝖊𝖑𝖑𝖔 𝓌𝑜𝓇𝓁𝒹",
]

EMOJI = [
    "😀",
    "I love it 😍😍😍",
    "👩‍👩‍👧‍👦 family",
    "🏳️‍🌈 🏴‍☠️ 👍🏽 🇩🇪🇯🇵",
    "1️⃣ 2️⃣ #️⃣",
]

INVISIBLE = [
    "zero\u200bwidth\u200cnon\u200djoiner\ufeff mark",
    "soft\u00adhyphen",
    "right\u202eto left\u202c and \u2066isolate\u2069",
    "null\x00byte",
    "control \x01\x02\x1f\x7f\x80\x9f characters",
    "tab\tnew\nline\r\nreturn\x0bvertical\x0cfeed",
    "no\u00a0break\u2003em\u3000ideographic\u2028line\u2029paragraph",
    "\ufffd replacement \ufffe \uffff",
    "\ue000 private \U000f0000 use \U0010fffd",
    "\U000e0041\U000e0042 tags \ufe0f selector",
]

SPECIAL_TOKENS = [
    "[CLS]",
    "[SEP]",
    "[PAD]",
    "[MASK]",
    "[UNK]",
    "Paris is the [MASK] of France.",
    "one [SEP] two [CLS] three [PAD] four",
    "[cls] [sep] lower case",
    "[ SEP ] [SEP [SEP]] [[SEP]",
    "word[SEP]word",
    "##ing ##s un##known",
    "<s> </s> <pad> <unk> <|endoftext|>",
]

WEB_AND_CODE = [
    "https://www.example.com/path/to/page?query=1&other=two#fragment",
    "someone@example.org wrote to @handle about #hashtag",
    "C:\\Users\\name\\file.txt /usr/local/bin/python3",
    "for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }",
    "def f(x):\n    return x ** 2 if x > 0 else -x  # comment",
    "SELECT name, COUNT(*) FROM users WHERE age >= 18 GROUP BY name;",
    '<div class="main"><p>Hello &amp; goodbye</p></div>',
    '{"key": [1, 2.5, null, true], "nested": {"a": "b"}}',
    "\\frac{1}{2} \\sum_{i=1}^{n} x_i^2 = \\alpha",
    "ACGTACGTTAGCCTAGGATCCA",
    "the the the the the the the the",
    "git commit -m 'fix: off-by-one' && git push --force-with-lease",
]

LONG_WORDS = [
    "w" * 99,
    "w" * 100,
    "w" * 101,  # beyond 100 characters a word is one [UNK]
    "antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "before " + "x" * 250 + " after",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "a" * 5000,
    "e\u0301" * 100,  # 200 characters that become 100 without their accents
]

PLAIN_LOWER = [
    "hello world",
    "a small dog runs across the field",
    "the train leaves at noon",
    "how do i bake bread at home",
    "music makes people happy",
    "the river is wide and slow",
    "she reads a book every week",
    "our team won the game last night",
    "rain fell on the old town",
    "the doctor works in a large hospital",
    "we need more time to finish this report",
    "cheap flights to paris in the spring",
    "the cat sleeps on the warm roof",
    "he plays the piano for his mother",
    "open the window and let the air in",
    "the price of gold rose again today",
    "a man walks with his son along the beach",
    "the new phone has a better camera",
    "learn to write code in ten days",
    "my brother lives in the north of england",
    "the teacher asked the class a question",
    "fresh fish and green apples from the market",
    "they built a bridge over the valley",
    "stars shine in the clear night sky",
]

CASE = [
    "HELLO WORLD",
    "The Train Leaves At Noon",
    "She Reads A Book Every Week",
    "THE PRICE OF GOLD ROSE AGAIN TODAY",
    "iPhone eBay McDonald NaN",
    "Paris, London and New York",
]

ACCENTS = [
    "café naïve façade",
    "r\u00e9sum\u00e9 of a se\u00f1or",
    "jalape\u00f1o and cr\u00e8me br\u00fbl\u00e9e",
    "a d\u00e9j\u00e0 vu in m\u00fcnchen",
    "cafe\u0301 nai\u0308ve",
    "\u00e5ngstr\u00f6m and \u00f8re",
]

CHINESE = ["你好世界", "北京大学", "the word 中文 in a sentence", "日本語の本", "人工智能 is popular"]

CONTROL = [
    "one\u200btwo",
    "the ri\u0000ver is wide",
    "mu\u00adsic makes people happy",
    "\ufeffthe train leaves at noon",
    "rain\u0007fell on the old town",
    "my bro\u200dther lives here",
]

MARKS = [
    "she reads [MASK] every week",
    "the cat [SEP] the dog",
    "[CLS] hello world [SEP]",
    "stars [UNK] in the sky",
    "one [PAD] two",
]

# around the limits that are met: 128, 256 and 512 tokens
LENGTHS = [
    126,
    127,
    128,
    129,
    130,
    200,
    254,
    255,
    256,
    257,
    258,
    300,
    400,
    510,
    511,
    512,
    513,
    514,
    600,
    1000,
]

CLASSES: dict[str, list[str]] = {
    "plain": [*PLAIN_LOWER],
    "sentences": [*PLAIN],
    "short": SHORT[3:],
    "empty": SHORT[:3],
    "punctuation and digits": PUNCTUATION_AND_DIGITS,
    "case": CASE,
    "accents": [*ACCENTS, *CASE_AND_ACCENTS[4:]],
    "Chinese characters": CHINESE,
    "scripts": SCRIPTS,
    "emoji and joiners": EMOJI,
    "control and zero-width": [*CONTROL, *INVISIBLE],
    "special-token strings": [*MARKS, *SPECIAL_TOKENS],
    "web and code": WEB_AND_CODE,
    # one of 5,000 letters would take the pieces of WordPiece minutes, where it has no limit
    "long words": [*(text for text in LONG_WORDS if len(text) < 1000), "the " + "b" * 400 + " is wide"],
    "long texts": [of_length(tokens) for tokens in LENGTHS],
}
"""The texts by class; no text is in two of them."""

QUICK = {"plain": 12, "long texts": 5}
QUICK_EACH = 2  # of every other class, up to 40 texts in all


def chosen_texts(*, quick: bool = False) -> dict[str, list[str]]:
    """Return the texts by class: all of them, or 40 that still show every kind of difference."""
    if not quick:
        return {name: [*texts] for name, texts in CLASSES.items()}
    counts = {name: QUICK.get(name, QUICK_EACH) for name in CLASSES} | {
        "sentences": 1,
        "short": 1,
        "empty": 1,
    }
    return {name: texts[:: -(-len(texts) // counts[name])] for name, texts in CLASSES.items()}
