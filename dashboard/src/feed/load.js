import { loader } from "../shared/load.js";

export const loadMore = loader("value-delivered-more.js", () => import("./more.js"));
