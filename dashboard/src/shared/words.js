/** Return a name in words: "Deal closed" for "deal_closed", as the API labels its types. @param {string} name */
export const inWords = (name) => name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase());
