"""Texts chosen to hurt: what goes into the golden outputs, in this order.

Adding a text means making the golden outputs again (``make golden``).
"""

from __future__ import annotations

from itertools import cycle, islice

# Words that are one token each, so that a text can be made to measure.
_ONE_TOKEN_WORDS = [
    *("the", "old", "captain", "walked", "slowly", "along", "the", "harbor", "wall", "and", "watched"),
    *("small", "boats", "return", "with", "their", "catch", "while", "children", "ran", "past", "him"),
    *(
        "toward",
        "the",
        "market",
        "where",
        "bread",
        "fish",
        "and",
        "fruit",
        "were",
        "sold",
        "every",
        "morning",
    ),
]


def of_length(tokens: int) -> str:
    """A text of exactly ``tokens`` tokens, [CLS] and [SEP] included."""
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

EMOJI_AND_INVISIBLE = [
    "😀",
    "I love it 😍😍😍",
    "👩‍👩‍👧‍👦 family",
    "🏳️‍🌈 🏴‍☠️ 👍🏽 🇩🇪🇯🇵",
    "1️⃣ 2️⃣ #️⃣",
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

MADE_TO_MEASURE = {tokens: of_length(tokens) for tokens in (3, 32, 128, 254, 255, 256, 257, 600)}

RANDOM_WORDS = [
    # no meaning, sharp attention: the largest attention scores were met on texts like these
    "zebra quantum of piano seventeen the glacier tax purple and under algorithm soup verb cathedral mitten",
    "if whale nine because concrete sparkle treaty oven left jazz molecule seldom ladder king through",
]

TEXTS: list[str] = [
    *PLAIN,
    *SHORT,
    *PUNCTUATION_AND_DIGITS,
    *CASE_AND_ACCENTS,
    *SCRIPTS,
    *EMOJI_AND_INVISIBLE,
    *SPECIAL_TOKENS,
    *WEB_AND_CODE,
    *LONG_WORDS,
    *MADE_TO_MEASURE.values(),
    *RANDOM_WORDS,
]

# Texts whose every hidden state is kept, layer by layer: by index into TEXTS.
WITH_HIDDEN_STATES = [
    TEXTS.index("A girl is styling her hair."),
    TEXTS.index("I love it 😍😍😍"),
    TEXTS.index(MADE_TO_MEASURE[32]),
]
