const TYPES = new Map([
  ["deal_closed", "M4 8h16v11H4zM9 8V5h6v3M4 13h16"],
  ["negotiation_complete", "M4 5h16v11h-9l-4 4v-4H4z"],
  ["amplification_complete", "M4 17l5-5 4 4 7-8M15 7h5v5"],
  ["broadcast_complete", "M4 10v4h3l9 5V5l-9 5zM19 9v6"],
  ["task_complete", "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M8 12l3 3 5-6"],
  ["content_published", "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6"],
]);
const OTHER_ICON = "M12 3l2 7 7 2-7 2-2 7-2-7-7-2 7-2z";

/** @param {string} type */
export const typeIcon = (type) => TYPES.get(type) ?? OTHER_ICON;

export const AGENT_ICON = "M12 3v3M6 6h12v11H6zM9.5 11h.01M14.5 11h.01M9 17v3M15 17v3";
