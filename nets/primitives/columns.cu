// The windows of a convolution as columns of a matrix, and back: see columns.py.
//
// Each number of a result is written by one thread, and sums have a fixed order: calls repeat bit for bit. Numbers within a
// row are counted in 32 bits, which its length allows; rows in 64.

// One block for one row a of the windows of one line (n, i): `windows` runs of `run` numbers.
extern "C" __global__ void im2col(const REAL *images, REAL *columns, long long height, long long length, long long rows,
                                  long long windows, long long taps, long long run, long long stride, long long step,
                                  long long top, long long left)
{
    const long long line = blockIdx.x / taps, a = blockIdx.x % taps;
    const long long r = (line % rows) * stride + a - top;
    const REAL *source = images + (line / rows * height + r) * length;
    REAL *target = columns + (line * windows * taps + a) * run;
    const bool inside = r >= 0 && r < height;
    const int numbers = windows * run, width = run;
    for (int t = threadIdx.x; t < numbers; t += blockDim.x) {
        const int j = t / width, q = t % width;
        const long long p = j * step - left + q;
        target[j * taps * run + q] = inside && p >= 0 && p < length ? source[p] : REAL(0);
    }
}

// One block for one row r of an image: the sum of what im2col copies each of its pixels to.
extern "C" __global__ void col2im(const REAL *columns, REAL *images, long long height, long long width, long long channels,
                                  long long rows, long long windows, long long taps, long long kernel, long long stride,
                                  long long step, long long top, long long left)
{
    const long long n = blockIdx.x / height, r = blockIdx.x % height;
    const int numbers = width * channels, depth = channels;
    REAL *target = images + blockIdx.x * width * channels;
    for (int t = threadIdx.x; t < numbers; t += blockDim.x) {
        const int p = t / depth, c = t % depth;
        REAL sum = 0;
        for (int a = 0; a < taps; ++a) {
            const int i = (int(r) + int(top) - a) / int(stride);
            if (i * stride != r + top - a || i < 0 || i >= rows)
                continue;
            for (int b = 0; b < kernel; ++b) {
                const int j = (p + int(left) - b) / int(step);
                if (j * step != p + left - b || j < 0 || j >= windows)
                    continue;
                sum += columns[((((n * rows + i) * windows + j) * taps + a) * kernel + b) * channels + c];
            }
        }
        target[t] = sum;
    }
}
