/** A Map: a type of a newer server may be called like a property of every object. */
export const TYPES = new Map([
  ["deal_closed", "Deal closed"],
  ["negotiation_complete", "Negotiation complete"],
  ["amplification_complete", "Amplification complete"],
  ["broadcast_complete", "Broadcast complete"],
  ["task_complete", "Task complete"],
  ["content_published", "Content published"],
]);

/** Return the label of a type; an unknown one is shown by its own name. @param {string} type */
export const typeName = (type) => TYPES.get(type) ?? type.replaceAll("_", " ");
