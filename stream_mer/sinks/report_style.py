"""Look and behaviour of the report's page: plain CSS and a few lines of JavaScript, nothing fetched."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2128;--dim:#667;--card:#f5f6f8;--line:#d5d9e0}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--fg:#e6e9ee;--dim:#98a0ad;--card:#1e232b;--line:#333a45}}
body{margin:0 auto;padding:1rem 1.5rem 3rem;max-width:1400px;background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.4rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .2rem}h3{font-size:1rem;margin:0 0 .5rem;display:flex;gap:.5rem;align-items:center}
h3 span{margin-left:auto;font-variant-numeric:tabular-nums;color:var(--dim)}
.facts{color:var(--dim);margin:.2rem 0;font-size:.85rem;overflow-wrap:anywhere}
.legend,.bar{display:flex;flex-wrap:wrap;gap:1rem;align-items:center}
.key i,h3 i{display:inline-block;width:.8rem;height:.8rem;border-radius:50%;margin-right:.35rem}
i.happiness,.p i.happiness{background:#e0a100}i.surprise{background:#2f80ed}i.disgust{background:#2e9e5b}
i.repression{background:#9b51e0}i.others{background:#d9534f}
rect.happiness{fill:#e0a100}rect.surprise{fill:#2f80ed}rect.disgust{fill:#2e9e5b}rect.repression{fill:#9b51e0}rect.others{fill:#d9534f}
svg.timeline{width:100%;background:var(--card);border-radius:8px;padding:.4rem 0}
svg text{font-size:12px;fill:var(--dim)}rect.lane{fill:var(--line)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(460px,1fr));gap:1rem}
article{background:var(--card);border-radius:10px;padding:.8rem;border:2px solid transparent;scroll-margin-top:1rem}
article:target{border-color:#2f80ed}
article[data-review="true"]{border-color:#2e9e5b}article[data-review="false alarm"]{border-color:#d9534f}
table.strip{border-spacing:4px}table.strip th{font-weight:400;font-size:.8rem;color:var(--dim)}table.strip th:first-child{text-align:right;min-width:4.2rem}
table.strip img{display:block;width:112px;height:112px;border-radius:4px}
.p{display:block;position:relative;font-size:.75rem;color:var(--dim);padding-left:6.5rem;height:1.05rem}
.p i{position:absolute;left:0;top:.25rem;height:.55rem;max-width:6rem;border-radius:3px;min-width:1px}
.review{margin:.6rem 0 0;display:flex;gap:.5rem}
button,select{font:inherit;padding:.25rem .7rem;border-radius:6px;border:1px solid var(--line);background:var(--bg);color:var(--fg);cursor:pointer}
button.on{background:#2f80ed;color:#fff;border-color:#2f80ed}
details{margin:.8rem 0}details td{padding:.1rem .7rem .1rem 0;font-size:.85rem}
@media(max-width:520px){.cards{grid-template-columns:1fr}table.strip img{width:22vw;height:22vw}}
@media print{.bar,.review{display:none}}
"""  # noqa: E501 - a style sheet
SCRIPT = """
const cards=[...document.querySelectorAll('article')];
const key=id=>'stream-mer review '+id;
// Two memories: the browser's, and this tab's own, where the browser keeps nothing for files or loses it.
let lasting=true;
const get=id=>{
  let v=null;
  try{v=localStorage.getItem(key(id))}catch(e){lasting=false}
  return v??(history.state||{})[id]??'';
};
const put=(id,v)=>{
  history.replaceState({...history.state,[id]:v},'');
  try{localStorage.setItem(key(id),v)}catch(e){
    lasting=false;
    try{localStorage.removeItem(key(id))}catch(e){}  // or what was said before would come up again
  }
};
function draw(){
  const want=document.getElementById('show').value,n={};
  for(const c of cards){
    const v=get(c.dataset.id);c.dataset.review=v;n[v||'unseen']=(n[v||'unseen']||0)+1;
    for(const b of c.querySelectorAll('.review button'))b.classList.toggle('on',b.textContent===v);
    c.hidden=!!want&&want!==(v||'unseen');
  }
  document.getElementById('tally').textContent=['true','false alarm','unsure','unseen'].map(k=>(n[k]||0)+' '+k).join(', ')
    +(lasting?'':'; this browser keeps no reviews of files: save before you close the tab');
}
addEventListener('storage',draw);
for(const c of cards)for(const b of c.querySelectorAll('.review button'))
  b.onclick=()=>{put(c.dataset.id,get(c.dataset.id)===b.textContent?'':b.textContent);draw()};
document.getElementById('show').onchange=draw;
document.getElementById('save').onclick=()=>{
  const q=s=>'"'+String(s).replace(/"/g,'""')+'"';
  const rows=cards.map(c=>[c.dataset.id,c.dataset.camera,c.dataset.onset,c.dataset.label,c.dataset.p,get(c.dataset.id)||'unseen'].map(q).join(','));
  const a=document.createElement('a');
  a.href=URL.createObjectURL(new Blob(['id,camera,onset_ns,label,probability,review\\r\\n'+rows.join('\\r\\n')+'\\r\\n'],{type:'text/csv'}));
  a.download='review.csv';a.click();URL.revokeObjectURL(a.href);
};
draw();
"""  # noqa: E501 - a script
