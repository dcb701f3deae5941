/** The words for each type. A Map, for a name that came over the wire may be one that every object has. */
export const TYPES = new Map([
  ["deal_closed", "Deal closed"],
  ["negotiation_complete", "Negotiation complete"],
  ["amplification_complete", "Amplification complete"],
  ["broadcast_complete", "Broadcast complete"],
  ["task_complete", "Task complete"],
  ["content_published", "Content published"],
]);

/** The words for a type; one this file does not know yet is shown by its own name. @param {string} type */
export const typeName = (type) => TYPES.get(type) ?? type.replaceAll("_", " ");
