/** Everything a notebook may use, in the order of the story. Notebooks import from here alone. */
export { showAnswer, configure, freeze } from './notebook/cells.js';
export { calibrate, snapshot, launch, showStartup, sanityCheck } from './notebook/cells.js';
export { probeCold, probeWarmAtOnce, restartAndRepeat, probeWarm, showColdWarm, probeLong } from './notebook/cells.js';
export { compareObserver } from './notebook/cells.js';
export { showTimeline, showBands, showTokens } from './notebook/cells.js';
export { showEquation, showDecision, showInterpretation, showNextKnob } from './notebook/cells.js';
export { stop, save } from './notebook/cells.js';
export { judge, showFinePrint } from './notebook/cells.js';

// notebooks/cold-start.ipynb
export { configureExperiment } from './notebook/cells.js';
export { showColdStartAnswer, planColdStart, probeNode, launchDesign, showProof } from './notebook/cold-start-cells.js';
export { showCauses, showLaunchesByCell, showWitnesses, watchSilence } from './notebook/cold-start-cells.js';
export {
  judgeSeedTableByExperiment,
  showPrediction,
  showCoverage,
  finishColdStart,
} from './notebook/cold-start-cells.js';
