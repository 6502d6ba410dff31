"""The example bodies and programs of the RadAnalyzer V3 documentation, word for word."""

HEALTH = """{
"status": "healthy",
"models_loaded": 5,
"pop_models_loaded": 5,
"pop_pipeline_enabled": true,
"model_version": "3.3.0-ensemble"
}"""

SINGLE = """{
"vhs": 10.4,
"vlas": 2.8,
"prediction": [
{ "x": 0.42, "y": 0.15, "class": "heart_top" },
{ "x": 0.41, "y": 0.44, "class": "heart_bottom" },
{ "x": 0.25, "y": 0.30, "class": "heart_right" },
{ "x": 0.57, "y": 0.29, "class": "heart_left" },
{ "x": 0.49, "y": 0.40, "class": "VLAS" },
{ "x": 0.36, "y": 0.12, "class": "Vertebra A" },
{ "x": 0.55, "y": 0.12, "class": "Vertebra B" }
],
"result_code": 1,
"result_description": "VHS and VLAS predicted successfully with high confidence",
"model_confidence": "optimal",
"spread": 0.0032,
"pop_detected": false,
"model_version": "3.3.0-ensemble",
"rendered_image": "<base64-encoded-annotated-image>",
"historic_vhs": [["2026-03-27", 11.38]],
"historic_vlas": [["2026-03-27", 1.88]],
"billing": {
"billable": true,
"reason": "valid_vhs",
"call_type": "single",
"monthly_usage": 47,
"tier": "paygo",
"rate": 3.00
}
}"""

REJECTION = """{
"classifier_confidence": 0.7937,
"model_version": "3.3.0-ensemble",
"rejected": true,
"rejection_reason": "not_a_valid_radiograph",
"result_code": 6,
"result_description": "Image rejected — not a valid radiograph.",
"vhs": null,
"vlas": null,
"billing": {
"billable": false,
"reason": "no_valid_vhs",
"monthly_usage": 47,
"tier": "paygo"
}
}"""

BATCH = """{
"vhs": 11.32,
"vlas": 1.87,
"best_photo_index": 0,
"best_vhs": 11.32,
"best_vlas": 1.87,
"median_vhs": 11.32,
"median_vlas": 1.87,
"vhs_std": null,
"vlas_std": null,
"vhs_confidence": "optimal",
"vlas_confidence": "optimal",
"n_photos_processed": 2,
"n_photos_with_landmarks": 1,
"processing_started": true,
"per_photo": [
{
"vhs": 11.32,
"vlas": 1.87,
"spread": 0.0023,
"model_confidence": "optimal",
"landmarks_detected": true,
"axes_perpendicular": true,
"pop_detected": false
},
{
"vhs": null,
"vlas": null,
"spread": null,
"model_confidence": "review",
"landmarks_detected": false,
"axes_perpendicular": false,
"rejected": true,
"rejection_reason": "not_a_valid_radiograph",
"classifier_confidence": 0.7937
}
],
"historic_vhs": [["2024-01-26", 9.23]],
"historic_vlas": [["2024-01-26", 2.12]],
"model_version": "3.3.0-ensemble",
"billing": {
"billable": true,
"reason": "valid_vhs",
"call_type": "session",
"monthly_usage": 48,
"tier": "paygo",
"rate": 4.00
}
}"""

PROCESSING_STARTED = """{"n_images": 2, "model_version": "3.3.0-ensemble"}"""

PHOTO = """{
"index": 0,
"vhs": 11.32,
"vlas": 1.87,
"spread": 0.0023,
"model_confidence": "optimal",
"landmarks_detected": true,
"axes_perpendicular": true,
"n_total": 2,
"model_version": "3.3.0-ensemble"
}"""

SUMMARY = """{
"best_vhs": 11.32,
"best_vlas": 1.87,
"median_vhs": 11.32,
"median_vlas": 1.87,
"vhs_std": null,
"vlas_std": null,
"vhs_confidence": "optimal",
"vlas_confidence": "optimal",
"best_photo_index": 0,
"n_photos_processed": 2,
"n_photos_with_landmarks": 1
}"""

STREAM_ERROR = """{"index": 1, "uuid": "patient-456", "error": "Invalid image data"}"""

SESSION_READY = """{
"session_id": "0960abaa8179476d",
"session_status": "ready",
"pop_pipeline_enabled": true,
"models_loaded": 5,
"pop_models_loaded": 5,
"model_version": "3.3.0-ensemble",
"session_config": {
"max_frames": 20,
"max_consecutive_failures": 5,
"session_ttl_seconds": 300
}
}"""

SESSION_CONTINUES = """{
"session_id": "0960abaa8179476d",
"session_status": "continue",
"reason": "0/3 good frames so far, need more",
"frame_index": 0,
"frames_processed": 1,
"good_frames": 0,
"result_code": 5,
"result_description": "Neither VHS nor VLAS could be calculated — check image quality.",
"frame_result": {
"vhs": null,
"vlas": null,
"spread": null,
"model_confidence": "review",
"landmarks_detected": false,
"pop_detected": true
},
"model_version": "3.3.0-ensemble"
}"""

SESSION_COMPLETE = """{
"session_id": "sess_abc123def456",
"session_status": "complete",
"frame_index": 3,
"rectified_image": "<base64-encoded-rectified-image>",
"prediction": {
"vhs": 10.4,
"vlas": 2.8,
"prediction": [
{ "x": 0.42, "y": 0.15, "class": "heart_top" },
{ "x": 0.41, "y": 0.44, "class": "heart_bottom" },
{ "x": 0.25, "y": 0.30, "class": "heart_right" },
{ "x": 0.57, "y": 0.29, "class": "heart_left" },
{ "x": 0.49, "y": 0.40, "class": "VLAS" },
{ "x": 0.36, "y": 0.12, "class": "Vertebra A" },
{ "x": 0.55, "y": 0.12, "class": "Vertebra B" }
],
"result_code": 0,
"result_description": "Success",
"model_confidence": "optimal",
"spread": 0.0028,
"model_version": "3.3.0-ensemble",
"rendered_image": "<base64>"
},
"billing": {
"billable": true,
"reason": "valid_vhs",
"call_type": "session",
"monthly_usage": 49,
"tier": "paygo",
"rate": 4.00
}
}"""

SESSION_FAILED = """{
"session_id": "sess_abc123def456",
"session_status": "failed",
"frame_index": 20,
"error": "max_frames_exceeded",
"billing": {
"billable": false,
"reason": "no_valid_vhs",
"monthly_usage": 49,
"tier": "paygo"
}
}"""

CORNERS = """{
"corners": [[137.48, 100.30], [490.50, 81.32], [495.35, 421.38], [154.89, 421.57]],
"order": "TL,TR,BR,BL",
"image_width": 640,
"image_height": 482,
"model_version": "3.3.0-ensemble"
}"""

RECTIFIED = """{
"rectified_image": "<base64-encoded JPEG>",
"width": 346,
"height": 330,
"model_version": "3.3.0-ensemble"
}"""

PREPROCESSED = """{
"rectified_image": "<base64-encoded JPEG>",
"corners": [[137.48, 100.30], [490.50, 81.32], [495.35, 421.38], [154.89, 421.57]],
"order": "TL,TR,BR,BL",
"width": 346,
"height": 330,
"model_version": "3.3.0-ensemble"
}"""

ERRORS = {
    400: """{"error": "Missing required field: image"}""",
    403: """{"error": "Invalid API key"}""",
    413: """{"error": "Image exceeds maximum size of 10MB"}""",
    422: """{"error": "Corner detection failed"}""",
    500: """{"error": "Internal server error"}""",
    503: """{"error": "PoP pipeline not available"}""",
}

BILLABLE = """{
"billable": true,
"reason": "valid_vhs",
"call_type": "single",
"monthly_usage": 47,
"tier": "paygo",
"rate": 3.00
}"""

NOT_BILLABLE = """{
"billable": false,
"reason": "no_valid_vhs",
"monthly_usage": 47,
"tier": "paygo"
}"""

RECHECK = """{
"billable": false,
"reason": "recheck_24h",
"monthly_usage": 47,
"tier": "paygo"
}"""

REQUESTS_EXAMPLE = """
import requests
import base64
# Read and encode the radiograph
with open("radiograph.jpg", "rb") as f:
    image_data = base64.b64encode(f.read()).decode()
# Send prediction request
response = requests.post(
    "https://api.radanalyzer.com/v3/predict",
    headers={
        "x-api-key": "YOUR_API_KEY",
        "Content-Type": "application/json"
    },
    json={
        "image": image_data,
        "uuid": "patient-123",
        "render": True
    }
)
data = response.json()
print(f"VHS: {data['vhs']}")
print(f"VLAS: {data['vlas']}")
print(f"Confidence: {data['model_confidence']}")
print(f"Spread: {data['spread']}")
print(f"Result: {data['result_description']}")
"""
"""Its indentation, which the page lost, put back."""

FETCH_EXAMPLE = """
const API_BASE = "https://api.radanalyzer.com";
const headers = {
"x-api-key": "YOUR_API_KEY",
"Content-Type": "application/json"
};
// Step 1: Start a PoP session
const startRes = await fetch(`${API_BASE}/v3/pop-session/start`, {
method: "POST",
headers,
body: JSON.stringify({})
});
const { session_id } = await startRes.json();
// Step 2: Send frames until session completes
let sessionComplete = false;
while (!sessionComplete) {
const frameBase64 = await captureFrame(); // your capture function
const frameRes = await fetch(`${API_BASE}/v3/pop-session`, {
method: "POST",
headers,
body: JSON.stringify({
image: frameBase64,
session_id: session_id,
uuid: "patient-123"
})
});
const result = await frameRes.json();
if (result.session_status === "complete") {
console.log("VHS:", result.prediction.vhs);
console.log("VLAS:", result.prediction.vlas);
sessionComplete = true;
} else if (result.session_status === "failed") {
console.error("Session failed:", result.error);
sessionComplete = true;
} else {
console.log("Feedback:", result.feedback);
// Show feedback to user, capture another frame
}
}
"""
