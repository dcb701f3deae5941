export const STYLES = new CSSStyleSheet();
STYLES.replaceSync(`
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
small { font: inherit }
ul, ol { list-style: none }
.caption, .change, .standing, .meta, .count, dt, .dates, .scale, th { color: var(--muted) }
.amount, table, .scale { font-variant-numeric: tabular-nums }
.amount { font-weight: 600; white-space: nowrap }
.none { color: var(--muted); font-weight: 400 }

button, select, input, textarea { border-radius: 999px }
select { cursor: pointer }
button:hover, select:hover { border-color: color-mix(in oklab, var(--muted) 60%, var(--line)) }
button[aria-disabled=true] { color: var(--muted); cursor: default }
:is(button, select, input, textarea, summary, a, .scroll):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }

.periods { display: flex; padding: 3px; border-radius: 999px; background: color-mix(in oklab, var(--muted) 12%, var(--surface)) }
.periods button { padding: .25rem .875rem; white-space: nowrap; border-color: transparent; background: none; font-size: .8125rem; color: color-mix(in oklab, var(--muted) 60%, var(--text)) }
.range { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .75rem; inline-size: 100%; max-inline-size: none; margin: 0 }
.range label { display: flex; align-items: center; gap: .5rem } .range :is(input, button) { padding-block: .25rem; font-size: .8125rem; font-weight: 400 }
.range .fault:empty { display: none }
.periods [aria-pressed=true] { background: light-dark(var(--surface), color-mix(in oklab, var(--muted) 32%, var(--surface))); color: var(--text); box-shadow: 0 1px 2px #0003 }

.total { margin-block-start: 1.25rem; font-size: clamp(2.25rem, 8cqi, 3.5rem); font-weight: 650; line-height: 1.1; letter-spacing: -.035em }
.total small { font-size: .6em; letter-spacing: -.02em; color: var(--muted) }
.total + .caption { margin-block-start: .25rem }

.chart { display: grid; grid-template: 10rem auto / 1fr auto; gap: .5rem .75rem; margin-block-start: 1.75rem }
.awaited { min-block-size: 13.375rem } /* the chart's, so that the rows stay where they are */
.scale { grid-area: 1 / 2; display: flex; flex-direction: column; justify-content: space-between; margin-block: -.75em; font-size: .75rem; text-align: end }
.plot { grid-area: 1 / 1; position: relative; direction: ltr; touch-action: pan-y }
.plot svg { display: block; inline-size: 100%; block-size: 100%; overflow: visible }
.grid { stroke: var(--line); stroke-width: 1; shape-rendering: crispEdges }
.bar { fill: var(--accent); stroke: none; transition: opacity .15s }
.zero { fill: color-mix(in oklab, var(--muted) 45%, var(--surface)) }
.plot:hover .bar:not(.pointed) { opacity: .45 }
.dates { grid-area: 2 / 1; display: flex; justify-content: space-between; font-size: .75rem; direction: ltr }
.tip {
  position: absolute; inset-block-end: calc(100% - 1.25rem); z-index: 1; translate: -50%; display: grid; padding: .375rem .75rem; pointer-events: none;
  border-radius: .5rem; background: var(--text); color: var(--surface); font-size: .75rem; line-height: 1.4; white-space: nowrap;
}

summary { cursor: pointer; list-style: none; border-radius: .5rem }
summary::-webkit-details-marker { display: none }
.daily { margin-block-start: .5rem; font-size: .8125rem }
.daily > summary { inline-size: fit-content; color: var(--muted); text-decoration: underline; text-decoration-color: var(--line); text-underline-offset: .25em }
.daily > summary:hover { color: var(--text) }
.scroll { max-block-size: 16rem; overflow: auto; margin-block-start: .75rem; border: 1px solid var(--line); border-radius: .75rem }
table { inline-size: 100%; border-collapse: collapse }
th, td { padding: .375rem .875rem; text-align: end; font-weight: 400 }
th:first-child { text-align: start }
thead th { position: sticky; inset-block-start: 0; background: var(--surface); border-block-end: 1px solid var(--line) }

.parts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: 1.75rem 2.5rem; margin-block-start: 1.75rem; padding-block-start: 1.75rem; border-block-start: 1px solid var(--line) }
.split { display: grid; gap: .75rem; margin-block-start: 1rem }
.split li { display: grid; grid-template-columns: auto 1fr auto; align-items: center; gap: .25rem .5rem; font-size: .875rem }
.split .icon { color: var(--muted); line-height: 0 }
.split svg { inline-size: 1.125rem }
.share { grid-column: 1 / -1; block-size: 4px; border-radius: 4px; background: color-mix(in oklab, var(--muted) 16%, var(--surface)); overflow: hidden }
.share i { display: block; block-size: 100%; border-radius: 4px; background: var(--accent) }
.count { grid-column: 1 / -1; font-size: .8125rem }

.feed { margin-block-start: 2rem; padding-block-start: 1.75rem; border-block-start: 1px solid var(--line) }
.top, .filters { display: flex; flex-wrap: wrap; gap: .5rem }
.top { align-items: center; margin-block-end: .75rem } .top h3 { margin-inline-end: auto }
.download { display: flex; align-items: center; gap: .75rem } .download button { font-size: .8125rem; white-space: nowrap } .download .fault:empty { margin-inline-end: -.75rem }
progress { inline-size: 6rem; accent-color: var(--accent) }
input { padding: .3125rem .75rem }
.filters { inline-size: 100% }
select { max-inline-size: 100%; padding: .3125rem .75rem; font-size: .8125rem; field-sizing: content }
.rows summary { display: grid; grid-template-columns: auto 1fr auto auto; align-items: center; gap: .875rem; margin-inline: -.75rem; padding: .875rem .75rem }
.rows summary::after { content: ""; inline-size: .4375rem; aspect-ratio: 1; border: solid var(--muted); border-width: 0 1.5px 1.5px 0; rotate: 45deg; translate: 0 -2px; transition: rotate .15s }
.rows [open] > summary::after { rotate: 225deg; translate: 0 1px }
.rows summary:hover { background: color-mix(in oklab, var(--muted) 7%, var(--surface)) }
.rows .icon, .notice .icon { display: grid; place-items: center; inline-size: 2.375rem; aspect-ratio: 1; border-radius: .75rem; background: var(--tint); color: var(--accent) }
.rows .icon svg { inline-size: 1.25rem }
.what strong { display: block; font-weight: 500; text-align: match-parent; line-height: 1.4 }
.meta { font-size: .8125rem } .meta > * { display: inline-block }
.details { margin-inline-start: 3.25rem; padding-block: .25rem 1.25rem; font-size: .875rem }
.description { margin-block-end: .75rem; white-space: pre-wrap; max-inline-size: 65ch }
dl { display: grid; gap: .25rem; font-size: .8125rem }
dl > div { display: grid; grid-template-columns: 9rem 1fr; gap: 1rem }
dd { white-space: pre-wrap }
:is([data-standing=disputed], [data-standing=void]) summary :is(.amount, strong) { color: var(--muted) }
[data-standing=void] summary :is(.amount, strong) { text-decoration: line-through }
.tag { font-weight: 600 } [data-standing=confirmed] .tag { color: var(--accent) } [data-standing=disputed] .tag { color: var(--danger) }
.word, .past { margin-block-start: 1.25rem }
.buttons { margin-block-start: .75rem }
.word button, .past button { font-size: .8125rem }
.word [aria-pressed=true] { border-color: var(--accent); background: var(--tint) }
.word .no[aria-pressed=true] { border-color: var(--danger); background: color-mix(in oklab, var(--danger) 10%, var(--surface)) }
.help { color: var(--muted); font-size: .8125rem }
form { margin-block-start: .75rem; max-inline-size: 34rem } label { font-size: .8125rem; font-weight: 600 }
textarea { display: block; inline-size: 100%; margin-block: .25rem; padding: .5rem .75rem; border-color: color-mix(in oklab, var(--muted) 75%, var(--surface)); border-radius: .5rem; resize: vertical }
h4 { font-size: .8125rem; font-weight: 600 }
.past ol { display: grid; gap: .625rem; margin-block-start: .5rem; padding-inline-start: .875rem; border-inline-start: 2px solid var(--line); font-size: .8125rem }
.past time, .past dt { color: var(--muted) }
.past q { display: block; white-space: pre-wrap }
.past dl { margin-block-start: .25rem }
.word .help { margin-block-start: .5rem }
.untaken:has(.fault:empty) { margin: 0 }
del { color: var(--muted) } ins { text-decoration: none }
.new { animation: arrive 2.5s ease-out }
@keyframes arrive { from { background: var(--tint) } }
.link { margin-block-end: 2rem }
.top input { flex: 0 1 15rem; min-inline-size: 0; padding: .3125rem .75rem; font-size: .8125rem }
.balance { grid-auto-flow: column; inline-size: fit-content; gap: 2.5rem; margin-block-start: 1rem }
.balance > div { display: block } .balance dd { font-size: 1.0625rem; font-weight: 600; font-variant-numeric: tabular-nums }
.paper { display: none }
.none-found { padding-block: 1.5rem; text-align: center }
.more { display: block; margin: 1rem auto 0 }

.notice svg { inline-size: 1.5rem }
.card:not([data-state=ready]) :is(.body, .periods, .range, .filters) { display: none }
.card[data-state=ready][data-banner=""] .notice { gap: 0 }
.card:not([data-state=ready], [data-state=loading])[data-banner=""] .notice { flex-direction: column; justify-content: center; min-block-size: 20rem; padding: 2rem; text-align: center }
.card:not([data-state=ready], [data-state=loading])[data-banner=""] .notice p { flex: none; max-inline-size: 26rem }
.card:not([data-state=ready], [data-state=loading])[data-banner=""] .notice strong { display: block; margin-block-end: .25rem; font-size: 1.125rem }
.card:not([data-state=ready], [data-state=loading])[data-banner=""] .notice .icon { inline-size: 3.5rem; border-radius: 50% }
.skeleton { display: none }
.card[data-state=loading] .skeleton { display: grid; gap: 1rem; margin-block: 1rem }
.skeleton i { block-size: 2.375rem; border-radius: .75rem; background: color-mix(in oklab, var(--muted) 12%, var(--surface)); animation: breathe 1.6s ease-in-out infinite alternate }
.skeleton i:first-child { inline-size: 45%; block-size: 3.25rem }
@keyframes breathe { to { opacity: .45 } }

@container (inline-size < 34rem) {
  .periods { flex: 1 } .periods button { flex: 1; padding-inline: .25rem }
  .filters select { flex: 1 }
  .chart { grid-template-rows: 8rem auto }
  .awaited { min-block-size: 11.375rem }
  .rows summary { gap: .125rem .75rem; align-items: start }
  .rows summary::after { margin-block-start: .375rem }
  /* What it is and when has a line of its own, as wide as the row. */
  .what { display: contents }
  .rows .icon { grid-row: 1 / 3 }
  .meta { grid-area: 2 / 2 / auto / -1; font-size: .75rem }
  .details { margin-inline-start: 0; padding-block-start: .75rem }
  dl > div { grid-template-columns: 5.5rem 1fr }
  .balance { gap: 1.25rem } .top input { flex: 1 1 10rem } #latest { flex: 1 0 100% }
}
@media print {
  :host {
    color-scheme: light !important;
    --text: #000; --muted: #555; --surface: #fff; --line: #ccc;
  }
  .card { padding: 0; border: 0; border-radius: 0; overflow: visible; font-size: 10pt; print-color-adjust: exact }
  .periods, .range, .filters, .notice, .skeleton, .link, .more, .top input, .download, .word, .buttons, .tip, .daily:not([open]), .rows summary::after { display: none !important }
  .paper { display: block }
  .ago { font-size: 0 } .ago::after { content: attr(data-day); font-size: 8.5pt }
  .scroll { max-block-size: none; overflow: visible }
  .chart { grid-template-rows: 6rem auto }
  .rows summary { padding-block: .375rem }
  li, tr, .chart, .details { break-inside: avoid }
  h3, .total { break-after: avoid }
  .total { font-size: 24pt }
}
@media (forced-colors: active) { .bar, .share i { forced-color-adjust: none; fill: CanvasText; background: CanvasText } }
`);
