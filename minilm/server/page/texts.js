// Every text of the page, in the languages of LANGUAGES and in their order, and numbers as each language writes them.

export const LANGUAGES = ["en", "de", "es"];

export const TEXTS = {
  title: ["Sentence Similarity Demo", "Wie ähnlich sind Sätze?", "Similitud de frases"],
  tabs: ["What to compare", "Was verglichen wird", "Qué comparar"],
  tab_two: ["Two texts", "Zwei Texte", "Dos textos"],
  tab_one: ["One against many", "Einer gegen viele", "Uno contra muchos"],
  tab_search: ["Search", "Suche", "Buscar"],
  tab_inside: ["Inside", "Innenansicht", "Por dentro"],
  tab_many: ["Many texts", "Viele Texte", "Muchos textos"],
  first_text: ["First text", "Erster Text", "Primer texto"],
  second_text: ["Second text", "Zweiter Text", "Segundo texto"],
  enter_text: ["Enter text to compare", "Text zum Vergleichen", "Texto para comparar"],
  enter_lines: ["Enter texts to compare, one a line", "Texte zum Vergleichen, einer je Zeile", "Textos para comparar, uno por línea"],
  compare: ["Compare", "Vergleichen", "Comparar"],
  compare_all: ["Compare all", "Alle vergleichen", "Comparar todos"],
  shortcut: ["or Ctrl+Enter", "oder Strg+Eingabe", "o Ctrl+Intro"],
  example: ["Example", "Beispiel", "Ejemplo"],
  examples: ["Examples:", "Beispiele:", "Ejemplos:"],
  about: ["Model: {model}.", "Modell: {model}.", "Modelo: {model}."],
  about_english: [
    "Model: {model}. It learned from English texts: in other languages its scores mean little.",
    "Modell: {model}. Es hat aus englischen Texten gelernt: In anderen Sprachen sagen seine Werte wenig aus.",
    "Modelo: {model}. Aprendió de textos en inglés: en otros idiomas sus valores dicen poco.",
  ],
  footer: ["HTTP API", "HTTP-API", "API HTTP"],
  privacy: ["Texts go to this server only.", "Texte gehen nur an diesen Server.", "Los textos van solo a este servidor."],

  waiting: ["Comparing…", "Vergleiche …", "Comparando…"],
  no_text: ["Please enter a text.", "Bitte einen Text eingeben.", "Escriba un texto."],
  too_few: ["Please enter at least two texts, one a line.", "Bitte mindestens zwei Texte eingeben, einen je Zeile.", "Escriba al menos dos textos, uno por línea."],
  too_many: ["At most {most} texts; these are {count}.", "Höchstens {most} Texte; hier sind es {count}.", "{most} textos como máximo; aquí hay {count}."],
  too_long: [
    "A text is too long to be drawn: at most 64 word pieces, [CLS] and [SEP] among them.",
    "Ein Text ist zu lang zum Zeichnen: höchstens 64 Wortstücke, [CLS] und [SEP] eingerechnet.",
    "Un texto es demasiado largo para dibujarlo: 64 trozos de palabras como máximo, incluidos [CLS] y [SEP].",
  ],
  too_much: [
    "That is more than this server takes at once. Please shorten it.",
    "Das ist mehr, als dieser Server auf einmal annimmt. Bitte kürzen.",
    "Es más de lo que este servidor acepta de una vez. Acórtelo.",
  ],
  server_says: ["The server says: {message}.", "Der Server sagt: {message}.", "El servidor dice: {message}."],
  too_slow: [
    "The texts took too long to reach the server. Press the button to try again.",
    "Die Texte haben zu lange zum Server gebraucht. Drücken Sie den Knopf, um es erneut zu versuchen.",
    "Los textos tardaron demasiado en llegar al servidor. Pulse el botón para intentarlo de nuevo.",
  ],
  busy: [
    "The server has too much to do at the moment.",
    "Der Server hat gerade zu viel zu tun.",
    "El servidor tiene demasiado trabajo en este momento.",
  ],
  failed: [
    "The server failed. Its log says why.",
    "Im Server ist ein Fehler aufgetreten. Sein Protokoll sagt, welcher.",
    "Hubo un error en el servidor. Su registro dice por qué.",
  ],
  not_there: [
    "The server no longer offers this. Please load the page again.",
    "Der Server bietet das nicht mehr an. Bitte die Seite neu laden.",
    "El servidor ya no ofrece esto. Vuelva a cargar la página.",
  ],
  no_documents: [
    "The documents cannot be searched now: their table is gone or damaged.",
    "Die Dokumente lassen sich gerade nicht durchsuchen: Ihre Tabelle fehlt oder ist beschädigt.",
    "Ahora no se puede buscar en los documentos: su tabla falta o está dañada.",
  ],
  no_reason: ["The server answered {status} without a reason.", "Der Server antwortete mit {status}, ohne Begründung.", "El servidor respondió con {status}, sin explicación."],
  try_again_in: ["(Try again in {seconds} s.)", "(Erneut versuchen in {seconds} s.)", "(Inténtelo de nuevo en {seconds} s.)"],
  timed_out: [
    "The server did not answer within a minute. Press the button to try again.",
    "Der Server hat nicht innerhalb einer Minute geantwortet. Drücken Sie den Knopf, um es erneut zu versuchen.",
    "El servidor no respondió en un minuto. Pulse el botón para intentarlo de nuevo.",
  ],
  unreachable: [
    "The server cannot be reached. Is it still running? Press the button to try again.",
    "Der Server ist nicht zu erreichen. Läuft er noch? Drücken Sie den Knopf, um es erneut zu versuchen.",
    "No se puede conectar con el servidor. ¿Sigue en marcha? Pulse el botón para intentarlo de nuevo.",
  ],
  api_key: ["API key", "API-Schlüssel", "Clave de API"],
  use_key: ["Use this key", "Diesen Schlüssel verwenden", "Usar esta clave"],
  missing_api_key: [
    "This server asks for a key. Enter it below.",
    "Dieser Server verlangt einen Schlüssel. Geben Sie ihn unten ein.",
    "Este servidor pide una clave. Escríbala abajo.",
  ],
  invalid_api_key: [
    "The key that you entered is not one of this server's. Please check it and enter it again.",
    "Dieser Schlüssel gehört nicht zu diesem Server. Bitte prüfen und erneut eingeben.",
    "Esa clave no es de este servidor. Compruébela y escríbala de nuevo.",
  ],
  bad_key: [
    "A key has only letters, digits and signs of ASCII, and no spaces. Please check it.",
    "Ein Schlüssel besteht nur aus Buchstaben, Ziffern und Zeichen aus ASCII, ohne Leerzeichen. Bitte prüfen.",
    "Una clave solo tiene letras, cifras y signos de ASCII, sin espacios. Compruébela.",
  ],

  score: ["Score: {score}", "Wert: {score}", "Valor: {score}"],
  reading_0: ["nearly the same", "fast dasselbe", "casi lo mismo"],
  reading_1: ["closely related", "eng verwandt", "muy relacionados"],
  reading_2: ["related", "verwandt", "relacionados"],
  reading_3: ["loosely related", "entfernt verwandt", "poco relacionados"],
  reading_4: ["unrelated", "ohne Beziehung", "sin relación"],
  reading: [
    "{reading} in topic and wording (opposites score high too)",
    "{reading} in Thema und Wortlaut (auch Gegensätze haben hohe Werte)",
    "{reading} en tema y palabras (los contrarios también dan valores altos)",
  ],
  all_digits: ["All digits:", "Alle Stellen:", "Todas las cifras:"],
  digits: [
    "The score is the cosine of two vectors: 1 for equal texts, near 0 for unrelated ones. Between machines it differs by less than 0.000001.",
    "Der Wert ist der Kosinus zweier Vektoren: 1 bei gleichen Texten, nahe 0 bei Texten ohne Beziehung. Zwischen Rechnern unterscheidet er sich um weniger als 0,000001.",
    "El valor es el coseno de dos vectores: 1 si los textos son iguales, cerca de 0 si no tienen relación. Entre máquinas difiere en menos de 0,000001.",
  ],
  facts: ["{first} and {second} tokens, {milliseconds} ms.", "{first} und {second} Tokens, {milliseconds} ms.", "{first} y {second} tokens, {milliseconds} ms."],
  text_0: ["first", "erste", "primer"],
  text_1: ["second", "zweite", "segundo"],
  cut: [
    "The {text} text was longer than {tokens} tokens: only its beginning was compared.",
    "Der {text} Text hatte mehr als {tokens} Tokens: Nur sein Anfang wurde verglichen.",
    "El {text} texto tenía más de {tokens} tokens: solo se comparó el comienzo.",
  ],
  unfamiliar: [
    "The {text} text is mostly unknown or single letters to the model, as in a language that it did not learn: the score means little.",
    "Der {text} Text besteht für das Modell größtenteils aus Unbekanntem oder einzelnen Buchstaben, wie in einer Sprache, die es nicht gelernt hat: Der Wert sagt wenig aus.",
    "Para el modelo, el {text} texto es casi todo desconocido o letras sueltas, como en un idioma que no aprendió: el valor dice poco.",
  ],
  unexplained: [
    "Why cannot be shown: this model has a Dense module after pooling, so the score is not a sum over pairs of tokens.",
    "Warum das so ist, lässt sich nicht zeigen: Dieses Modell hat ein Dense-Modul nach dem Pooling, deshalb ist der Wert keine Summe über Paare von Tokens.",
    "No se puede mostrar el porqué: este modelo tiene un módulo Dense tras el pooling, así que el valor no es una suma sobre pares de tokens.",
  ],
  why: ["Why", "Warum", "Por qué"],
  why_sum: [
    "The score is an exact sum over pairs of tokens. Each word is shaded by what it adds:",
    "Der Wert ist eine genaue Summe über Paare von Tokens. Jedes Wort ist danach gefärbt, was es beiträgt:",
    "El valor es una suma exacta sobre pares de tokens. Cada palabra está coloreada según lo que aporta:",
  ],
  adds: ["adds", "erhöht", "suma"],
  takes: ["takes away", "verringert", "resta"],
  share_numbers: ["The words' shares as numbers", "Die Beiträge der Wörter als Zahlen", "Lo que aporta cada palabra, en números"],
  word: ["Word", "Wort", "Palabra"],
  share: ["Share", "Beitrag", "Aporte"],
  special: [
    "The marks [CLS] and [SEP], which the model puts around every text, add {first} on the side of the first text and {second} on that of the second.",
    "Die Zeichen [CLS] und [SEP], die das Modell um jeden Text setzt, tragen {first} auf der Seite des ersten Textes bei und {second} auf der des zweiten.",
    "Las marcas [CLS] y [SEP], que el modelo pone alrededor de cada texto, aportan {first} del lado del primer texto y {second} del lado del segundo.",
  ],
  strongest: ["Strongest pairs", "Stärkste Paare", "Pares más fuertes"],
  pair: ["and", "und", "y"],
  every_pair: ["Every pair of tokens", "Jedes Paar von Tokens", "Cada par de tokens"],
  token_map: ["Heat map of token pairs", "Karte der Tokenpaare", "Mapa de pares de tokens"],
  cell_sum: ["Sum of all cells:", "Summe aller Felder:", "Suma de todas las celdas:"],
  use_arrows: [
    "Point at a cell, or use the arrow keys.",
    "Zeigen Sie auf ein Feld oder benutzen Sie die Pfeiltasten.",
    "Señale una celda o use las flechas.",
  ],
  cells: ["{rows} by {columns} cells", "{rows} mal {columns} Felder", "{rows} por {columns} celdas"],

  lines: ["Texts, one a line (2 to {most})", "Texte, einer je Zeile (2 bis {most})", "Textos, uno por línea (de 2 a {most})"],
  many_facts: ["{count} texts, {milliseconds} ms.", "{count} Texte, {milliseconds} ms.", "{count} textos, {milliseconds} ms."],
  many_cut: [
    "Longer than {tokens} tokens, so cut: text {texts}.",
    "Länger als {tokens} Tokens und deshalb gekürzt: Text {texts}.",
    "Cortado por tener más de {tokens} tokens: texto {texts}.",
  ],
  many_unfamiliar: [
    "Mostly unknown or single letters to the model, so its scores mean little: text {texts}.",
    "Für das Modell größtenteils unbekannt oder einzelne Buchstaben, deshalb sagen die Werte wenig aus: Text {texts}.",
    "Para el modelo, casi todo desconocido o letras sueltas, así que los valores dicen poco: texto {texts}.",
  ],
  neighbours: ["Nearest neighbours", "Nächste Nachbarn", "Vecinos más cercanos"],
  save_csv: ["Save as CSV", "Als CSV speichern", "Guardar como CSV"],
  a_file: [
    "or a text file, also dropped on the box",
    "oder eine Textdatei, die Sie auch auf das Feld ziehen können",
    "o un archivo de texto, que también puede arrastrar al cuadro",
  ],
  file_too_large: ["{name} has more than 1 MiB.", "{name} hat mehr als 1 MiB.", "{name} tiene más de 1 MiB."],
  file_not_text: [
    "{name} is not text in UTF-8. Save it as UTF-8 and try again.",
    "{name} ist kein Text in UTF-8. Bitte als UTF-8 speichern und erneut versuchen.",
    "{name} no es texto en UTF-8. Guárdelo como UTF-8 e inténtelo de nuevo.",
  ],

  source: ["A text", "Ein Text", "Un texto"],
  sentences: ["Texts to rank, one a line", "Texte zum Ordnen, einer je Zeile", "Textos para ordenar, uno por línea"],
  rank: ["Rank", "Ordnen", "Ordenar"],
  one_facts: ["{count} texts, the best first: {best}", "{count} Texte, der beste zuerst: {best}", "{count} textos, el mejor primero: {best}"],
  copy_as: ["Copy as", "Kopieren als", "Copiar como"],
  was_copied: ["Copied.", "Kopiert.", "Copiado."],
  copy_selected: [
    "The browser does not let the page copy: the text below is selected.",
    "Der Browser lässt die Seite nicht kopieren: Der Text unten ist markiert.",
    "El navegador no permite que la página copie: el texto de abajo está seleccionado.",
  ],

  one_unfamiliar: [
    "Mostly unknown or single letters to the model, so the scores mean little: {texts}.",
    "Für das Modell größtenteils unbekannt oder einzelne Buchstaben, deshalb sagen die Werte wenig aus: {texts}.",
    "Para el modelo, casi todo desconocido o letras sueltas, así que los valores dicen poco: {texts}.",
  ],
  line_number: ["line {line}", "Zeile {line}", "línea {line}"],
  one_cut: [
    "Too long, so only the beginning was compared: {texts}.",
    "Zu lang, deshalb wurde nur der Anfang verglichen: {texts}.",
    "Demasiado largo, por eso solo se comparó el comienzo: {texts}.",
  ],

  query: ["What are you looking for?", "Was suchen Sie?", "¿Qué busca?"],
  enter_query: ["A question, or a few words", "Eine Frage oder ein paar Wörter", "Una pregunta o unas palabras"],
  how_many: ["Pieces", "Textstellen", "Fragmentos"],
  by: ["Look for", "Gesucht wird", "Buscar por"],
  by_meaning: ["the meaning", "der Sinn", "el sentido"],
  by_words: ["the meaning and the words", "der Sinn und die Wörter", "el sentido y las palabras"],
  where: ["Only where (optional)", "Nur wo (wenn Sie mögen)", "Solo donde (opcional)"],
  columns: [
    "Only where: a condition in SQL on the columns path, heading, line, metadata and text, such as path LIKE '%.md'.",
    "Nur wo: eine Bedingung in SQL über die Spalten path, heading, line, metadata und text, etwa path LIKE '%.md'.",
    "Solo donde: una condición en SQL sobre las columnas path, heading, line, metadata y text, como path LIKE '%.md'.",
  ],
  search: ["Search", "Suchen", "Buscar"],
  search_facts: [
    "Pieces found: {pieces}, in documents: {documents}; the best first.",
    "Gefundene Textstellen: {pieces}, in Dokumenten: {documents}; die besten zuerst.",
    "Fragmentos hallados: {pieces}, en documentos: {documents}; primero los mejores.",
  ],
  telling: [
    "The number is the score. Underlined are the words that say most about it.",
    "Die Zahl ist der Wert. Unterstrichen sind die Wörter, die am meisten dazu beitragen.",
    "El número es el valor. Subrayadas, las palabras que más aportan a él.",
  ],
  whole_piece: ["The whole piece", "Die ganze Textstelle", "El fragmento entero"],
  none_fits: ["No piece fits this condition.", "Keine Textstelle erfüllt diese Bedingung.", "Ningún fragmento cumple esa condición."],
  none_found: ["The documents are empty.", "Die Dokumente sind leer.", "Los documentos están vacíos."],
  no_query: ["Please say what to look for.", "Bitte eingeben, was gesucht wird.", "Escriba qué busca."],
  bad_k: ["Pieces must be a whole number from 1 to {most}.", "„Textstellen“ muss eine ganze Zahl von 1 bis {most} sein.", "«Fragmentos» debe ser un número entero de 1 a {most}."],
  bad_where: [
    "The condition under “Only where” could not be read. The database says:",
    "Die Bedingung unter „Nur wo“ ist nicht zu lesen. Die Datenbank sagt:",
    "No se entiende la condición de «Solo donde». La base de datos dice:",
  ],
  query_unfamiliar: [
    "The query is mostly unknown or single letters to the model, as in a language that it did not learn: what is found may not fit.",
    "Die Suchanfrage besteht für das Modell größtenteils aus Unbekanntem oder einzelnen Buchstaben, wie in einer Sprache, die es nicht gelernt hat: Das Gefundene passt vielleicht nicht.",
    "Para el modelo, la búsqueda es casi todo desconocido o letras sueltas, como en un idioma que no aprendió: puede que lo hallado no sea lo que busca.",
  ],
  query_cut: [
    "The query is too long: only its beginning was read.",
    "Die Suchanfrage ist zu lang: Nur ihr Anfang wurde gelesen.",
    "La búsqueda es demasiado larga: solo se leyó el comienzo.",
  ],

  look: ["Look inside", "Hineinsehen", "Mirar dentro"],
  text_to_see: ["A text", "Ein Text", "Un texto"],
  another: ["Another text, if you like", "Ein weiterer Text, wenn Sie mögen", "Otro texto, si quiere"],
  most_tokens: [
    "A sentence or two, at most 64 word pieces.",
    "Ein oder zwei Sätze, höchstens 64 Wortstücke.",
    "Una o dos frases, 64 trozos de palabras como máximo.",
  ],
  tokens: ["{count} tokens", "{count} Tokens", "{count} tokens"],
  inside_says: [
    "How does a computer compare sentences? It cuts a sentence into pieces and gives each piece a list of numbers. In several steps, called layers, each piece takes in something of the others. Together their lists stand for the sentence: the more alike the lists of two sentences, the more alike the sentences. The pictures show each step, from simple to deep.",
    "Wie vergleicht ein Computer Sätze? Er schneidet einen Satz in Stücke und gibt jedem Stück eine Liste von Zahlen. In mehreren Schritten, den Schichten, nimmt jedes Stück etwas von den anderen auf. Zusammen stehen ihre Listen für den Satz: Je ähnlicher die Listen zweier Sätze, desto ähnlicher die Sätze. Die Bilder zeigen jeden Schritt, vom Einfachen zum Schwierigen.",
    "¿Cómo compara frases un ordenador? Corta la frase en trozos y da a cada trozo una lista de números. En varios pasos, las capas, cada trozo toma algo de los demás. Juntas, sus listas representan la frase: cuanto más se parecen las listas de dos frases, más se parecen las frases. Las imágenes muestran cada paso, de lo simple a lo profundo.",
  ],
  whole_figure: [
    "The whole model in one picture",
    "Das ganze Modell in einem Bild (englisch)",
    "Todo el modelo en una imagen (en inglés)",
  ],
  worth_a_look: [
    "Worth a look: strong links between words that are not neighbours, from all layers and heads. A click goes there:",
    "Sehenswert: starke Verbindungen zwischen Wörtern, die keine Nachbarn sind, aus allen Schichten und Köpfen. Ein Klick führt hin:",
    "Vale la pena ver: vínculos fuertes entre palabras que no son vecinas, de todas las capas y cabezas. Un clic lleva allí:",
  ],
  percent: [
    "{part}\u00a0%",
    "{part}\u00a0%",
    "{part}\u00a0%",
  ],
  habit_before: [
    "The tokens of this head give the one before them {part} of their attention on average.",
    "Die Tokens dieses Kopfes geben dem Token vor ihnen im Mittel {part} ihrer Aufmerksamkeit.",
    "Los tokens de esta cabeza dan al anterior, de media, el {part} de su atención.",
  ],
  habit_after: [
    "The tokens of this head give the one after them {part} of their attention on average.",
    "Die Tokens dieses Kopfes geben dem Token nach ihnen im Mittel {part} ihrer Aufmerksamkeit.",
    "Los tokens de esta cabeza dan al siguiente, de media, el {part} de su atención.",
  ],
  habit_itself: [
    "The tokens of this head give themselves {part} of their attention on average.",
    "Die Tokens dieses Kopfes geben sich selbst im Mittel {part} ihrer Aufmerksamkeit.",
    "Los tokens de esta cabeza se dan a sí mismos, de media, el {part} de su atención.",
  ],
  habit_first: [
    "The tokens of this head give the start mark {part} of their attention on average. Often this means that they find nothing to take.",
    "Die Tokens dieses Kopfes geben dem Anfangszeichen im Mittel {part} ihrer Aufmerksamkeit. Oft heißt das, dass sie nichts zum Mitnehmen finden.",
    "Los tokens de esta cabeza dan a la marca de inicio, de media, el {part} de su atención. A menudo significa que no hallan nada que tomar.",
  ],
  habit_last: [
    "The tokens of this head give the end mark {part} of their attention on average. Often this means that they find nothing to take.",
    "Die Tokens dieses Kopfes geben dem Endzeichen im Mittel {part} ihrer Aufmerksamkeit. Oft heißt das, dass sie nichts zum Mitnehmen finden.",
    "Los tokens de esta cabeza dan a la marca final, de media, el {part} de su atención. A menudo significa que no hallan nada que tomar.",
  ],
  habit_word: [
    "The tokens of this head give {token} {part} of their attention on average.",
    "Die Tokens dieses Kopfes geben {token} im Mittel {part} ihrer Aufmerksamkeit.",
    "Los tokens de esta cabeza dan a {token}, de media, el {part} de su atención.",
  ],
  habit_none: [
    "The tokens of this head share no simple habit: on average no neighbour, no mark and no word gets half of the attention (at most {part}).",
    "Die Tokens dieses Kopfes haben keine einfache Gewohnheit: Im Mittel bekommt kein Nachbar, kein Zeichen und kein Wort die Hälfte der Aufmerksamkeit (höchstens {part}).",
    "Los tokens de esta cabeza no comparten una costumbre simple: de media, ningún vecino, ninguna marca y ninguna palabra recibe la mitad de la atención (como máximo el {part}).",
  ],
  deeper: [
    "Deeper",
    "Tiefer",
    "Más a fondo",
  ],
  pieces: ["Word pieces", "Wortstücke", "Trozos de palabras"],
  pieces_shows: [
    "The text as the model reads it: cut into pieces of words, called tokens, each with its place in the model's vocabulary (the number below it).",
    "Der Text, wie das Modell ihn liest: zerschnitten in Stücke von Wörtern, die Tokens, jedes mit seinem Platz im Wortschatz des Modells (der Zahl darunter).",
    "El texto como lo lee el modelo: cortado en trozos de palabras, los tokens, cada uno con su lugar en el vocabulario del modelo (el número de abajo).",
  ],
  pieces_says: [
    "## marks a token that continues a word. In its vocabulary the model finds a token's vector: a list of numbers that stands for it, in all-MiniLM-L6-v2 384 numbers. [CLS] and [SEP] mark the start and the end. Choose a token to follow it below.",
    "## bezeichnet ein Token, das ein Wort fortsetzt. In seinem Wortschatz findet das Modell den Vektor eines Tokens: eine Liste von Zahlen, die für das Token steht, bei all-MiniLM-L6-v2 384 Zahlen. [CLS] und [SEP] bezeichnen Anfang und Ende. Wählen Sie ein Token, um ihm unten zu folgen.",
    "## marca un token que continúa una palabra. En su vocabulario el modelo halla el vector de un token: una lista de números que lo representa, 384 números en all-MiniLM-L6-v2. [CLS] y [SEP] marcan el comienzo y el final. Elija un token para seguirlo abajo.",
  ],
  attention: ["Attention", "Aufmerksamkeit", "Atención"],
  attention_shows: [
    "How much each token (left) looks at each other one (right): the thicker the line, the more.",
    "Wie sehr jedes Token (links) auf jedes andere (rechts) sieht: je dicker die Linie, desto mehr.",
    "Cuánto mira cada token (izquierda) a cada otro (derecha): cuanto más gruesa la línea, más.",
  ],
  attention_says: [
    "At first a word has the same vector in every sentence, apart from its position in it. Attention changes that: each token looks at all tokens and adds some of what it sees to its own vector. A layer does this several times side by side, each time in a different way: these are its heads. Then it reworks each token's vector alone (feed-forward). Layers and heads count from 0. Two texts are read apart; the pictures show the one whose token is chosen.",
    "Zuerst hat ein Wort in jedem Satz denselben Vektor, bis auf seine Position darin. Die Aufmerksamkeit ändert das: Jedes Token sieht auf alle Tokens und nimmt einiges davon in seinen Vektor auf. Eine Schicht tut das mehrmals nebeneinander, jedes Mal auf andere Weise: Das sind ihre Köpfe. Dann verarbeitet sie den Vektor jedes Tokens für sich (Feed-Forward). Schichten und Köpfe werden ab 0 gezählt. Zwei Texte werden getrennt gelesen; die Bilder zeigen den, dessen Token gewählt ist.",
    "Al principio una palabra tiene el mismo vector en cada frase, salvo por su posición en ella. La atención cambia eso: cada token mira a todos los tokens y suma a su vector algo de lo que ve. Una capa lo hace varias veces en paralelo, cada vez de otra manera: son sus cabezas. Después procesa por separado el vector de cada token (feed-forward). Capas y cabezas se cuentan desde 0. Dos textos se leen por separado; las imágenes muestran el del token elegido.",
  ],
  layer: ["Layer", "Schicht", "Capa"],
  head: ["Head", "Kopf", "Cabeza"],
  looks_at: ["{token} looks at", "{token} sieht auf", "{token} mira a"],
  arcs: ["Attention as arcs", "Aufmerksamkeit als Bögen", "Atención en arcos"],
  attention_map: ["Attention as a matrix", "Aufmerksamkeit als Matrix", "Atención en matriz"],
  attention_map_shows: [
    "The same as numbers: a row is a token that looks, a column a token that is looked at, and each row adds up to 1.",
    "Dasselbe in Zahlen: Eine Zeile ist ein Token, das auf andere sieht, eine Spalte eines, auf das gesehen wird, und jede Zeile ergibt zusammen 1.",
    "Lo mismo en números: una fila es un token que mira; una columna, un token al que se mira, y cada fila suma 1.",
  ],
  all_heads: ["All heads", "Alle Köpfe", "Todas las cabezas"],
  all_heads_shows: [
    "Every head as such a matrix: a row of pictures is a layer, a column a head.",
    "Jeder Kopf als solche Matrix: Eine Reihe von Bildern ist eine Schicht, eine Spalte ein Kopf.",
    "Cada cabeza como una matriz así: una fila de imágenes es una capa; una columna, una cabeza.",
  ],
  all_heads_says: [
    "A line beside the diagonal is a head that looks at neighbours, on the diagonal tokens look at themselves, and in a solid column all look at the same token. A click on a picture shows its head above.",
    "Eine Linie neben der Diagonale ist ein Kopf, der auf Nachbarn sieht, auf der Diagonale sehen Tokens auf sich selbst, und bei einem durchgehenden Streifen nach unten sehen alle auf dasselbe Token. Ein Klick auf ein Bild zeigt den Kopf oben.",
    "Una línea junto a la diagonal es una cabeza que mira a los vecinos; en la diagonal los tokens se miran a sí mismos; en una columna llena todos miran al mismo token. Un clic en una imagen muestra su cabeza arriba.",
  ],
  path: ["The way through the layers", "Der Weg durch die Schichten", "El camino por las capas"],
  path_shows: [
    "The way of each token's vector through the layers, as a line on a flat map.",
    "Der Weg des Vektors jedes Tokens durch die Schichten, als Linie auf einer flachen Karte.",
    "El camino del vector de cada token por las capas, como una línea en un mapa plano.",
  ],
  path_says: [
    "Think of a vector as a place: near places mean similar things to the model. Point 0 of a line is the token's first vector, point 1 the one after layer 0, and so on. A flat map shows only part of all differences, here {percent}\u00a0%, so take it as a hint.",
    "Ein Vektor ist wie ein Ort: Nahe Orte bedeuten für das Modell Ähnliches. Punkt 0 einer Linie ist der erste Vektor des Tokens, Punkt 1 der nach Schicht 0, und so weiter. Eine flache Karte zeigt nur einen Teil aller Unterschiede, hier {percent}\u00a0%, und ist nur ein Hinweis.",
    "Un vector es como un lugar: lugares cercanos significan cosas parecidas para el modelo. El punto 0 de una línea es el primer vector del token, el punto 1 el de después de la capa 0, y así sucesivamente. Un mapa plano muestra solo parte de las diferencias, aquí el {percent}\u00a0%: tómelo como una pista.",
  ],
  path_second: [
    "Lines of the second text are dashed.",
    "Linien des zweiten Textes sind gestrichelt.",
    "Las líneas del segundo texto son discontinuas.",
  ],
  norms: ["Lengths of the vectors", "Längen der Vektoren", "Longitudes de los vectores"],
  norms_shows: [
    "How long each token's vector is, at the start (column 0) and after each layer (column 1 is after layer 0).",
    "Wie lang der Vektor jedes Tokens ist, am Anfang (Spalte 0) und nach jeder Schicht (Spalte 1 ist nach Schicht 0).",
    "La longitud del vector de cada token, al comienzo (columna 0) y tras cada capa (la columna 1 va tras la capa 0).",
  ],
  norms_says: [
    "All vectors have equally many numbers; the length of a vector, as of an arrow, says how large they are. After each layer the vectors are scaled (layer normalization), so that none grows out of all proportion.",
    "Alle Vektoren haben gleich viele Zahlen; die Länge eines Vektors, wie die eines Pfeils, sagt, wie groß sie sind. Nach jeder Schicht werden die Vektoren skaliert (Layer Normalization), damit keiner über alle Maßen wächst.",
    "Todos los vectores tienen la misma cantidad de números; la longitud de un vector, como la de una flecha, dice lo grandes que son. Tras cada capa los vectores se escalan (layer normalization), para que ninguno crezca sin medida.",
  ],
  pooled: ["One vector for the text", "Ein Vektor für den Text", "Un vector para el texto"],
  pooled_shows: [
    "How much each token is part of the text's vector: together the bars make 1, and the longest fills the line.",
    "Wie viel jedes Token zum Vektor des Textes beiträgt: Zusammen ergeben die Balken 1, und der längste füllt die Zeile.",
    "Cuánto aporta cada token al vector del texto: juntas, las barras suman 1, y la más larga llena la línea.",
  ],
  pooled_says: [
    "The text's vector is made of its tokens' vectors, in all-MiniLM-L6-v2 as their mean (pooling). All tokens count the same in it, but one with larger numbers moves it more.",
    "Der Vektor des Textes entsteht aus den Vektoren seiner Tokens, bei all-MiniLM-L6-v2 als ihr Mittelwert (Pooling). Darin zählen alle Tokens gleich, aber eines mit größeren Zahlen bewegt ihn stärker.",
    "El vector del texto se hace con los vectores de sus tokens, en all-MiniLM-L6-v2 como su media (pooling). En ella todos los tokens cuentan igual, pero uno con números mayores la mueve más.",
  ],
  growth: ["The score, layer by layer", "Der Wert, Schicht um Schicht", "El valor, capa por capa"],
  growth_shows: [
    "How alike the two texts are if one stops after that layer; the last bar is the score.",
    "Wie ähnlich die zwei Texte sind, wenn man nach dieser Schicht aufhört; der letzte Balken ist der endgültige Wert.",
    "Cuánto se parecen los dos textos si se para tras esa capa; la última barra es el valor final.",
  ],
  growth_says: [
    "The score compares the directions of the two vectors, as of two arrows: 1 is the same, near 0 unrelated, and below 0 (orange) they point apart. Only the last bar is on this scale: in the first layers the vectors of any two texts are somewhat alike. The tab “Two texts” shows which words make it.",
    "Der Wert vergleicht die Richtungen der beiden Vektoren, wie von zwei Pfeilen: 1 ist gleich, nahe 0 ohne Beziehung, und unter 0 (orange) zeigen sie auseinander. Nur der letzte Balken ist so zu lesen: In den ersten Schichten ähneln sich die Vektoren beliebiger Texte ein wenig. Welche Wörter ihn ausmachen, zeigt „Zwei Texte“.",
    "El valor compara las direcciones de los dos vectores, como de dos flechas: 1 es igual, cerca de 0 sin relación, y por debajo de 0 (naranja) divergen. Solo la última barra se lee así: en las primeras capas los vectores de dos textos cualesquiera se parecen algo. Qué palabras lo forman se ve en «Dos textos».",
  ],
  after_embeddings: ["at the start", "am Anfang", "al comienzo"],
  after_layer: ["after layer {layer}", "nach Schicht {layer}", "tras la capa {layer}"],
  code: ["Code:", "Code:", "Código:"],
  notebook: ["Notebook 01, “{section}”", "Notebook 01, „{section}“ (englisch)", "Notebook 01, «{section}» (en inglés)"],

  similarity_map: ["Heat map of similarities", "Karte der Ähnlichkeiten", "Mapa de similitudes"],
};

const preferred = navigator.languages.map((each) => each.slice(0, 2).toLowerCase());
export const language = preferred.find((each) => LANGUAGES.includes(each)) ?? "en";
const column = LANGUAGES.indexOf(language);
const formats = new Map();

// The text of that name, with its {places} filled in.
export function text(name, values = {}) {
  return TEXTS[name][column].replace(/\{(\w+)\}/g, (_, place) => values[place]);
}

// A number with so many decimals; one that rounds to 0 has no sign.
export function number(value, digits) {
  if (!formats.has(digits)) {
    const fixed = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    formats.set(digits, new Intl.NumberFormat(language, { ...fixed, signDisplay: "negative" }));
  }
  return formats.get(digits).format(value);
}

// Fills the elements of the page that name a text: their content, or an attribute.
export function translate() {
  document.documentElement.lang = language;
  document.title = text("title");
  const places = { most: 200 };
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text, places);
  for (const each of document.querySelectorAll("[data-placeholder]")) each.placeholder = text(each.dataset.placeholder);
  for (const each of document.querySelectorAll("[data-label]")) each.setAttribute("aria-label", text(each.dataset.label));
}
