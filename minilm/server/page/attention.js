// What stands out in the attention of a text: single links between words, and habits of whole heads.

const LEAST_HABIT = 0.5; // of the attention of the pieces, on average

// The strongest links from a word to another that is not its neighbour: one per word, the strongest first.
// isWord says which pieces are words, not marks such as [CLS] or a full stop.
export function strongestLinks(attention, isWord, most) {
  const best = isWord.map(() => ({ weight: 0 }));
  attention.forEach((heads, layer) => heads.forEach((rows, head) => rows.forEach((row, token) => {
    if (!isWord[token]) return;
    for (let other = 0; other < row.length; other++) { // 300,000 times for 64 tokens: the rarest condition first
      const weight = row[other];
      if (weight <= best[token].weight || !isWord[other] || Math.abs(token - other) < 2) continue;
      best[token] = { layer, head, token, other, weight };
    }
  })));
  return best.filter(({ weight }) => weight).sort((x, y) => y.weight - x.weight).slice(0, most);
}

// What the pieces of a text look at most in a head: { name, part }, and the token if the name is "word". The name is null
// if nothing gets half of the attention.
export function habitOf(rows) {
  const last = rows.length - 1;
  const targets = { before: (i) => i - 1, after: (i) => i + 1, itself: (i) => i, first: () => 0, last: () => last };
  const inner = rows.slice(1, last); // [CLS] and [SEP] themselves do not count
  const part = (target) => inner.reduce((sum, row, i) => sum + row[target(i + 1)], 0) / (inner.length || 1);
  const parts = [
    ...Object.entries(targets).map(([name, target]) => ({ name, part: part(target) })),
    ...inner.map((_, i) => ({ name: "word", token: i + 1, part: part(() => i + 1) })),
  ];
  const [most] = parts.sort((x, y) => y.part - x.part);
  return most.part >= LEAST_HABIT ? most : { name: null, part: most.part };
}
