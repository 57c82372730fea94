"""
Render one exported scene with Blender: ``python worker.py SCENE_FOLDER``.

Runs in any interpreter that has ``bpy`` and numpy; it imports nothing of realhands, so that
Blender may live in an environment of its own. The folder holds ``scene.json`` and
``arrays.npz`` as ``renderer.py`` writes them; the results are ``left.npz`` and ``right.npz``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Vector

# Mean free path in skin for red, green and blue, metres (Jensen et al., "A practical model for
# subsurface light transport", 2001, rounded).
SKIN_RADIUS_M = (0.0037, 0.0014, 0.0007)
# Narrower than a pixel by so much that one sample hits its centre.
POINT_FILTER_PX = 0.01
AXES_TO_BLENDER = Matrix(((1, 0, 0, 0), (0, -1, 0, 0), (0, 0, -1, 0), (0, 0, 0, 1)))

Arrays = dict[str, Any]


def main(folder: Path) -> None:
    """Build the scene and render both views."""
    description = json.loads((folder / 'scene.json').read_text())
    with np.load(folder / 'arrays.npz') as archive:
        arrays = dict(archive)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    materials = [
        add_material(f'material{number}', material, arrays)
        for number, material in enumerate(description['materials'])
    ]
    for number, item in enumerate(description['objects']):
        add_object(f'object{number}', item, materials, arrays)
    add_environment(arrays['environment_image'])
    add_sun(arrays['key_direction'], arrays['key_irradiance'], description['key_radius'])
    for view in description['cameras']:
        add_camera(view)
        result = {'radiance': render_radiance(folder, description)}
        result['labels'], result['depth'] = render_truth(folder)
        np.savez(folder / f'{view["name"]}.npz', **result)


def add_object(name: str, item: dict[str, Any], materials: list[Any], arrays: Arrays) -> None:
    """Add one object, a mesh with a material for each of its parts."""
    data = bpy.data.meshes.new(name)
    faces = arrays[f'{name}_faces']
    data.from_pydata(arrays[f'{name}_vertices'].tolist(), [], faces.tolist())
    layer = data.uv_layers.new()
    layer.data.foreach_set('uv', arrays[f'{name}_corner_uv'].astype(np.float32).ravel())
    data.polygons.foreach_set('use_smooth', [True] * len(faces))
    for number in item['materials']:
        data.materials.append(materials[number])
    data.polygons.foreach_set('material_index', arrays[f'{name}_face_part'].astype(np.int32))
    label = data.attributes.new('label', 'FLOAT', 'FACE')
    label.data.foreach_set('value', arrays[f'{name}_face_label'].astype(np.float32))
    data.normals_split_custom_set_from_vertices(arrays[f'{name}_normals'].tolist())
    placed = bpy.data.objects.new(name, data)
    if item['is_backdrop']:
        # The light is given as it arrives in the room: walls must not keep it out.
        placed.visible_diffuse = placed.visible_glossy = False
        placed.visible_transmission = placed.visible_shadow = False
    bpy.context.scene.collection.objects.link(placed)


def add_material(name: str, look: dict[str, Any], arrays: Arrays) -> Any:
    """Make a material from textures and numbers."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    output = nodes.new('ShaderNodeOutputMaterial')

    def texture(content: str) -> Any:
        node = nodes.new('ShaderNodeTexImage')
        node.image = float_image(f'{name}_{content}', arrays[f'{name}_{content}'])
        node.extension = 'MIRROR'
        return node.outputs['Color']

    if look['emissive']:
        shader = nodes.new('ShaderNodeEmission')
        links.new(texture('albedo'), shader.inputs['Color'])
        links.new(shader.outputs[0], output.inputs['Surface'])
        return material
    shader = nodes.new('ShaderNodeBsdfPrincipled')
    links.new(texture('albedo'), shader.inputs['Base Color'])
    links.new(texture('roughness'), shader.inputs['Roughness'])
    root = look['specular'] ** 0.5
    shader.inputs['IOR'].default_value = (1 + root) / (1 - root)
    if look['subsurface'] > 0:
        shader.subsurface_method = 'RANDOM_WALK_SKIN'
        shader.inputs['Subsurface Weight'].default_value = look['subsurface']
        relative = [radius / SKIN_RADIUS_M[0] for radius in SKIN_RADIUS_M]
        shader.inputs['Subsurface Radius'].default_value = relative
        shader.inputs['Subsurface Scale'].default_value = SKIN_RADIUS_M[0]
    if f'{name}_height' in arrays:
        bump = nodes.new('ShaderNodeBump')
        bump.inputs['Strength'].default_value = 1.0
        bump.inputs['Distance'].default_value = 1.0
        links.new(texture('height'), bump.inputs['Height'])
        links.new(bump.outputs['Normal'], shader.inputs['Normal'])
    links.new(shader.outputs[0], output.inputs['Surface'])
    return material


def float_image(name: str, values: Any) -> Any:
    """Return a Blender image of linear values (H, W) or (H, W, 3); row 0 is the top."""
    height, width = values.shape[:2]
    rgba = np.ones((height, width, 4), dtype=np.float32)
    rgba[..., :3] = values if values.ndim == 3 else values[..., None]
    image = bpy.data.images.new(name, width, height, float_buffer=True, is_data=True)
    image.pixels.foreach_set(np.ascontiguousarray(rgba[::-1]).ravel())
    image.pack()
    return image


def add_environment(image: Any) -> None:
    """Light the world with an equirectangular picture (H, W, 3)."""
    world = bpy.data.worlds.new('world')
    bpy.context.scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    nodes.clear()
    texture = nodes.new('ShaderNodeTexEnvironment')
    texture.image = float_image('environment', image)
    background = nodes.new('ShaderNodeBackground')
    output = nodes.new('ShaderNodeOutputWorld')
    links.new(texture.outputs['Color'], background.inputs['Color'])
    links.new(background.outputs[0], output.inputs['Surface'])


def add_sun(direction: Any, irradiance: Any, radius: float) -> None:
    """Add the key light, which shines from ``direction``."""
    strength = float(max(irradiance.max(), 1e-6))
    lamp = bpy.data.lights.new('key', 'SUN')
    lamp.energy = strength
    lamp.color = (irradiance / strength).tolist()
    lamp.angle = 2.0 * radius
    item = bpy.data.objects.new('key', lamp)
    item.rotation_mode = 'QUATERNION'
    item.rotation_quaternion = Vector((-direction).tolist()).to_track_quat('-Z', 'Y')
    bpy.context.scene.collection.objects.link(item)


def add_camera(view: dict[str, Any]) -> None:
    """Make the scene's camera that of one view."""
    scene = bpy.context.scene
    data = bpy.data.cameras.new(view['name'])
    width, height = view['size']
    (fx, _, cx), (_, fy, cy), _ = view['intrinsics']
    data.sensor_fit = 'HORIZONTAL'
    data.sensor_width = 36.0
    data.lens = fx * data.sensor_width / width
    # Blender counts pixels from their corners, realhands from their centres.
    data.shift_x = (width / 2 - cx - 0.5) / width
    data.shift_y = (cy + 0.5 - height / 2) / width * fx / fy
    data.clip_start, data.clip_end = 0.01, 100.0
    camera = bpy.data.objects.new(view['name'], data)
    camera.matrix_world = Matrix(view['to_rig']) @ AXES_TO_BLENDER
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    scene.render.pixel_aspect_x = 1.0
    scene.render.pixel_aspect_y = fx / fy


def render_radiance(folder: Path, description: dict[str, Any]) -> Any:
    """Return the picture in linear light, (H, W, 3) float32."""
    scene = bpy.context.scene
    scene.render.engine = 'CYCLES'
    scene.cycles.device = 'CPU'
    scene.cycles.samples = description['samples']
    scene.cycles.use_denoising = True
    scene.cycles.seed = 0
    scene.cycles.max_bounces = 4
    scene.cycles.filter_width = 1.0
    scene.cycles.pixel_filter_type = 'BOX'
    if description['threads']:
        scene.render.threads_mode = 'FIXED'
        scene.render.threads = description['threads']
    bpy.context.view_layer.material_override = None
    return render_to_array(folder)[..., :3]


def render_truth(folder: Path) -> tuple[Any, Any]:
    """Return labels (H, W) uint8 and depth (H, W) float32 metres of the pixels' centres."""
    scene = bpy.context.scene
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    scene.cycles.filter_width = POINT_FILTER_PX
    scene.render.film_transparent = True
    bpy.context.view_layer.material_override = truth_material()
    values = render_to_array(folder)
    scene.render.film_transparent = False
    seen = values[..., 3] > 0.5
    labels = np.where(seen, np.round(values[..., 0]), 0).astype(np.uint8)
    return labels, np.where(seen, values[..., 1], np.inf).astype(np.float32)


def truth_material() -> Any:
    """Return a material that shows (label, depth, 0) as light."""
    material = bpy.data.materials.get('truth')
    if material is not None:
        return material
    material = bpy.data.materials.new('truth')
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    join = nodes.new('ShaderNodeCombineXYZ')
    label = nodes.new('ShaderNodeAttribute')
    label.attribute_name = 'label'
    links.new(label.outputs['Fac'], join.inputs['X'])
    links.new(nodes.new('ShaderNodeCameraData').outputs['View Z Depth'], join.inputs['Y'])
    shader = nodes.new('ShaderNodeEmission')
    links.new(join.outputs[0], shader.inputs['Color'])
    output = nodes.new('ShaderNodeOutputMaterial')
    links.new(shader.outputs[0], output.inputs['Surface'])
    return material


def render_to_array(folder: Path) -> Any:
    """Render the scene; return (H, W, 4) float32, row 0 the top."""
    scene = bpy.context.scene
    path = folder / 'render.exr'
    scene.render.filepath = str(path)
    scene.render.image_settings.file_format = 'OPEN_EXR'
    scene.render.image_settings.color_mode = 'RGBA'
    scene.render.image_settings.color_depth = '32'
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    width, height = image.size
    values = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1].copy()


if __name__ == '__main__':
    main(Path(sys.argv[1]))
