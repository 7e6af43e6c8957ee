process.chdir('/work/main');require('/work/main/.jupyter/kernels/tslab/transpiled.cjs').keepTranspiled('/tmp/truth/kept');
const t=()=>process.cpuUsage().user/1e6;
const a=t();
const ts=require('/work/main/node_modules/@tslab/typescript-for-tslab');
ts.sys.watchDirectory=()=>({close(){}});
const {createConverter}=require('/work/main/node_modules/tslab/dist/converter.js');
console.log('load ts',(t()-a).toFixed(2));
const orig=ts.getPreEmitDiagnosticsOfFiles;
let b=t();
const c=createConverter({isJS:false,isBrowser:false});
console.log('create',(t()-b).toFixed(2)); b=t();
if(process.argv[2]==='skip'){
  // converter uses ts namespace import copy; patch via module
}
const r=c.convert('', 'import * as day007 from "./lib/index.js";\nawait day007.showAnswer();');
console.log('convert',(t()-b).toFixed(2), r.diagnostics.length, r.sideOutputs?.length);
b=t();
const r2=c.convert(r.declOutput, 'const config = await day007.configure({ });');
console.log('convert2',(t()-b).toFixed(2), r2.diagnostics.length);
c.close();
process.exit();
