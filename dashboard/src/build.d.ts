declare module "*.css" {
  const text: string;
  export default text;
}

/** A hash of the sources, which the bundler inserts. */
declare const BUILD: string;
