// The Inception v3 of the package nsfwjs in TensorFlow.js: its weights, and what it makes of photographs.
//
// node oracle.js HEIGHT WIDTH, in the folder of node_modules: from photographs.bin, bytes of (N, HEIGHT, WIDTH, 3), to
// oracle.safetensors, which has weights and outputs under the names of Keras, and the photographs "resized".

const fs = require("fs");
const tf = require("@tensorflow/tfjs");
require("@tensorflow/tfjs-backend-wasm");
const { InceptionV3Model } = require("nsfwjs/models/inception_v3");

const OUTPUTS = [...Array(11).keys()].map((block) => `mixed${block}`).concat("flatten_1", "dense_1");

async function load() {
  const { modelTopology, weightsManifest } = (await InceptionV3Model.modelJson()).default;
  const shards = await Promise.all(InceptionV3Model.weightBundles.map((shard) => shard()));
  const bytes = shards.map((shard) => Buffer.from(shard.default, "base64"));
  const change = (name, what) => what(modelTopology.model_config.config.layers.find((layer) => layer.name === name));
  // What FID's graph has otherwise: a maximum in the last block, and classes right after the features.
  change("average_pooling2d_9", (layer) => (layer.class_name = "MaxPooling2D"));
  change("dense_1", (layer) => (layer.config.activation = "linear"));
  const weightData = new Uint8Array(Buffer.concat(bytes)).buffer;
  return tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }));
}

function write(file, tensors) {
  const header = {}, data = [];
  let end = 0;
  for (const [name, tensor] of Object.entries(tensors)) {
    const values = tensor.dataSync();
    header[name] = { dtype: "F32", shape: tensor.shape, data_offsets: [end, (end += values.byteLength)] };
    data.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  }
  const text = JSON.stringify(header), length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  fs.writeFileSync(file, Buffer.concat([length, Buffer.from(text), ...data]));
}

async function main(height, width) {
  await tf.setBackend("wasm");
  const whole = await load();
  const outputs = OUTPUTS.map((name) => whole.getLayer(name).output);
  const model = tf.model({ inputs: whole.inputs, outputs });
  const bytes = new Uint8Array(fs.readFileSync("photographs.bin"));
  const photographs = tf.tensor4d(bytes, [bytes.length / (height * width * 3), height, width, 3], "int32");
  const resized = tf.image.resizeBilinear(photographs, model.inputs[0].shape.slice(1, 3));
  const results = model.predict(resized.div(255), { batchSize: 1 });
  const tensors = { resized };
  whole.weights.forEach((weight) => (tensors[weight.name] = weight.read()));
  OUTPUTS.forEach((name, i) => (tensors[name] = results[i]));
  write("oracle.safetensors", tensors);
}

main(...process.argv.slice(2).map(Number)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
