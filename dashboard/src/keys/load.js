import { loader } from "../shared/load.js";

export const loadMore = loader("outcome-keys-more.js", () => import("./more.js"));
